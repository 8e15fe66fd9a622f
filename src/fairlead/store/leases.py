"""What keeps users of objects and the collection of objects apart.

In a folder an object that is used is touched, under a lock that many may share; an object is removed under the
same lock alone, after another look at when it was touched. So an object is either gone when it is looked for, or
it is as young as that look. The time is that of the inode's last change (``ctime``): it can't be set back, and
the time of change of the bytes, by which it is known whether they were verified, stays.

In a remote store nothing can be touched. There the lease of a collector says that one is at work.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fairlead.errors import ClaimedError, NotFoundError, StoreError
from fairlead.store import claims
from fairlead.store.backends import Backend, Folder
from fairlead.store.layout import COLLECTOR, COLLECTOR_LOCK
from fairlead.store.records import Claim, decode, encode


def use(folder: Folder, key: str) -> bool:
    """Touch an object; False where there is none."""
    path = folder.path(key)
    with _locked(folder, fcntl.LOCK_SH):
        try:
            os.chmod(path, 0o444)
        except FileNotFoundError:
            return False
        except PermissionError:  # another user's: only the grace period keeps it
            return path.exists()
    return True


def remove_unused(folder: Folder, key: str, since: float) -> bool:
    """Remove an object unless it was written or touched at or after some time; True where it is gone by this."""
    with _locked(folder, fcntl.LOCK_EX):
        if last_used(folder, key) >= since:
            return False
        folder.delete(key)
    return True


def last_used(folder: Folder, key: str) -> float:
    """Return when an object was last written or touched, in seconds since 1970; without end where it is gone."""
    try:
        status = folder.path(key).stat()
    except FileNotFoundError:
        return float("inf")
    return max(status.st_ctime, status.st_mtime)


@contextmanager
def _locked(folder: Folder, mode: int) -> Iterator[None]:
    path = folder.path(COLLECTOR_LOCK)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, mode)
        yield
    finally:
        os.close(descriptor)


def collector(backend: Backend) -> Claim | None:
    """Return the lease of the collector that is at work, or None."""
    try:
        lease = decode(backend.get(COLLECTOR), Claim, key=COLLECTOR)
    except NotFoundError:
        return None
    return lease if claims.maker_lives(backend, lease, _renewed(backend)) else None


@contextmanager
def collecting(backend: Backend) -> Iterator[float]:
    """Hold the lease of the collector; gives the time it was taken, by the clock of the store.

    Raises:
        ClaimedError: Another collector is at work.
    """
    holder = collector(backend)
    if holder is not None:
        raise ClaimedError(
            "another process collects garbage in this store",
            where=f"process {holder.pid} on {holder.host}",
            next="wait for it to end",
        )
    backend.delete(COLLECTOR)  # a dead one's
    if not backend.create(COLLECTOR, encode(claims.new_claim(1, now=time.time()))):
        raise ClaimedError("another process began to collect garbage in this store just now", next="wait for it to end")
    try:
        yield _renewed(backend)
    finally:
        with suppress(StoreError):
            backend.delete(COLLECTOR)


def renew(backend: Backend) -> None:
    """Show that the collector, this process, is alive."""
    backend.put(COLLECTOR, encode(claims.new_claim(1, now=time.time())))


def _renewed(backend: Backend) -> float:
    found = backend.list_after(COLLECTOR.rpartition("/")[0] + "/")
    return next((each.modified for each in found if each.key == COLLECTOR), 0.0)
