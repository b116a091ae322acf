"""What every room speaks in: arrays, grids, scans, results, errors, files and the machine."""
