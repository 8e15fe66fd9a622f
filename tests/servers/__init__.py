"""Real servers on loopback for the tests: each starts in a temporary folder and is stopped by its process id."""
