"""What of the engine runs in the cluster: in pods that create others, a driver's and one that waits for a gang."""
