"""What is to run: frozen, typed, versioned specs, as Python objects and as files."""
