"""From files to a study."""
