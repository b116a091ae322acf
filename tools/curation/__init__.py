"""Marks for visits that nobody has marked, and the verdicts on them."""
