"""Whether what is to be submitted would run: every step's pods held against a picture of the cluster."""
