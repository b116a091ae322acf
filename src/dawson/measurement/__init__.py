"""From a probability map to lesions with numbers."""
