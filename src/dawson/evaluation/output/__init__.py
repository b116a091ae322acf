"""An evaluation as tables, charts and one page."""
