"""What the cache has under a key, where it can still be used."""

from __future__ import annotations

from fairlead.errors import NotFoundError
from fairlead.store.backends import Backend
from fairlead.store.layout import CACHE
from fairlead.store.records import CacheEntry, decode
from fairlead.store.values import Values


def cached_entry(backend: Backend, values: Values, key: str) -> CacheEntry | None:
    """Return what the cache has, if every value it names is there, and keep a collection from removing them."""
    try:
        entry = decode(backend.get(CACHE + key), CacheEntry, key=CACHE + key)
    except NotFoundError:
        return None
    return entry if all(map(values.hold, (*entry.outcome.outputs, *entry.outcome.items))) else None
