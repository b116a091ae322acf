"""Many results side by side: a table for programs and a page for people."""
