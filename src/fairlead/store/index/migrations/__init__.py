"""The versions of the index's schema, applied in order by ``migrating.py``.

To change the schema: change ``tables.py`` and its SCHEMA_VERSION, add ``v<number>_<what>.py`` here with the new
`revision` and the `down_revision` before it, and keep a database of the version before under
``tests/store/index/old/``. A migration states its tables in full, since ``tables.py`` moves on. The index can always
be made anew from the store, so there is no way back and none is needed.
"""
