"""Ranks that ``mpirun`` starts: a pod that runs it, pods that it reaches, and what it starts there."""
