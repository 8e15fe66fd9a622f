"""One writer at a time: who brings an index up to date, or upgrades it, holds a lock meanwhile.

The lock covers reading the store as well as writing the rows. Without it a process that read a run early could
write what it saw over what another one read later.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from fairlead.errors import StoreError
from fairlead.store.index.addresses import Address

_ADVISORY = 0x6661_6972_6C65_6164  # "fairlead": a number that no other program's lock has by chance
_POLL_S = 0.02


@contextmanager
def locked(engine: sa.Engine, address: Address, *, patience_s: float) -> Iterator[bool]:
    """Hold the index's lock; it ends with the process that holds it.

    Yields:
        Whether the lock was had within `patience_s`.
    """
    if address.path is not None:
        with _file_lock(f"{address.path}.lock", address, patience_s) as held:
            yield held
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        held = _retry(lambda: bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_ADVISORY)))), patience_s)
        try:
            yield held
        finally:
            if held:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_ADVISORY)))


@contextmanager
def _file_lock(path: str, address: Address, patience_s: float) -> Iterator[bool]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise StoreError(
            "cannot write to the index of runs",
            where=address.shown,
            why=f"{path}: {error.strerror}",
            next="check the owner and mode of the folder, or choose another with FAIRLEAD_INDEX",
        ) from error
    try:
        yield _retry(lambda: _try_file(descriptor), patience_s)
    finally:
        os.close(descriptor)  # and the lock with it


def _try_file(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _retry(attempt: Callable[[], bool], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while not attempt():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True
