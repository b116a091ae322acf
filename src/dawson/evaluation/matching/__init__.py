"""Which mask belongs to which, and whether both lie on one grid."""
