"""Recorded pictures of a cluster or of a run, which insight works on: offline as on a live cluster."""
