"""Whether a result may be believed: one file a check."""
