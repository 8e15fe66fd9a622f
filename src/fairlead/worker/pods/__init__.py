"""What runs in a pod beside the user's function."""
