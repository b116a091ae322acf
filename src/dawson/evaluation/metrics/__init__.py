"""What a mask is worth: voxels, surfaces, lesions, curves, raters, and the statistics of a cohort."""
