"""The clock of the store, which dates objects: what is compared with their dates is asked of it, as machines differ."""

from __future__ import annotations

import time

from fairlead.errors import StoreError
from fairlead.store.backends import Backend
from fairlead.store.layout import CLOCK

_ahead: dict[str, float] = {}
"""By how much the clock of each store is ahead of this process's monotonic one."""


def store_time(backend: Backend) -> float:
    """Return the time by the clock of a store, in seconds since 1970; this machine's where nothing can be written."""
    if backend.url not in _ahead:
        before = time.monotonic()
        try:
            backend.put(CLOCK, b"")
            entry = next(each for each in backend.list_after(CLOCK.rpartition("/")[0] + "/") if each.key == CLOCK)
        except (StoreError, StopIteration):
            return time.time()
        _ahead[backend.url] = entry.modified - before
    return _ahead[backend.url] + time.monotonic()
