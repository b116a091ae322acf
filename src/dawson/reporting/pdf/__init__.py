"""The report for print and archive: one visit on two A4 pages."""
