"""A recorded step once more, beside its run: in a folder of its own, which a person may look into and change."""
