"""From a segmentation to files that other programs read."""
