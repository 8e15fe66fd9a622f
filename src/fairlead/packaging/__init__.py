"""Code packages: a user's flow file, the project around it, how it is imported, and what of it a cache key counts."""
