"""A segmentation as a folder of files: written, and read back."""
