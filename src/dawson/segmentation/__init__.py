"""The main job: a study becomes lesions on the grid of its reference scan."""
