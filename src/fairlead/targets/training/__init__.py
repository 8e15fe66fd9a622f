"""Steps with ranks, as what a cluster's components run: one module for each kind of object, all behind one shape."""
