"""From files to a study: NIfTI scans read, checked and told by sequence."""

from dawson.read.nifti import read_scan
from dawson.read.visit import find_scans, read_study

__all__ = ["find_scans", "read_scan", "read_study"]
