"""Admission as Kueue does it: whose work begins, whose waits, and whose is taken back. Pure."""
