"""The use cases: launch a run, watch it, cancel it, resume it, look at it."""
