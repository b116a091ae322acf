"""NIfTI volumes: read once, checked and placed in the patient; written where the reference lies."""
