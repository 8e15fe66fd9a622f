"""How Python values become the bytes of an object and come back: one module for each format."""
