"""The index of runs in SQL, so that listing and filtering a million steps takes milliseconds.

It is never the truth: everything in it is read from the artifact store, and `Index.rebuild` makes it anew. Who runs
a flow does not touch it; who lists runs brings it up to date first. SQLAlchemy and Alembic are imported by
`opening.open_index` and not before: import that module, which costs nothing.
"""
