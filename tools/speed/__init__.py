"""Seconds, memory and operations, beside others."""
