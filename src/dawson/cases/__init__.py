"""Which scans are one visit of which patient, which mask marks them, and who trains and who tests."""
