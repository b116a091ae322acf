"""Synthetic patients: real anatomies and lesion shapes, painted as scanners would."""
