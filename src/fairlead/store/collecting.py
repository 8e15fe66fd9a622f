"""Garbage: what no run refers to any more, and how it is removed while runs go on.

Kept is what the records of runs reach: of the spec the code package, constants and items, of every attempt and
every cached step its outputs and items, of a call its inputs; what published flows begin with; and what those list
in turn. So are the layers of packages whose lock a run's spec or a call names. Everything else goes once it is old:
objects, layers, cache entries whose objects go, files of writers that were killed, checkpoints of runs that have
succeeded, and what a launch left that did not come to write its spec.

Why this never takes what a running flow needs. A collector takes its lease, then lists the runs, then reads what
they refer to, then removes objects that were last written or used before the *cutoff*: not later than the lease,
and not later than the first claim of any run that was driven when the runs were listed. A run is claimed before
it stores its first value. So, for an object that a run refers to:

- It was written or used under the present claim. (A value that is saved again, and one that the cache gives, is
  touched; see `fairlead.store.leases`.) If the claim was listed, the object is younger than the claim, and the
  cutoff is not. If not, the claim and with it the object is younger than the lease, and the cutoff is not.
- It was written or used under an earlier claim, and a record says so. If the run was driven when it was listed,
  the cutoff is not younger than its first claim. If not, nobody but a later claim changes its records, and that
  only copies them before it deletes; they are read in this order, so each is seen.
- The touch and the removal exclude each other by a lock, and the removal looks at the age again. An object is
  either gone when it is looked for, and the step is executed, or stays.

All these times are the store's own: no two clocks are compared. In a remote store nothing can be touched: while
the lease is there nothing is taken from the cache, and the collector waits for `PAUSE_S` before it lists the
runs, so that what was taken before the lease is recorded by then. A value that is saved again and equals a
forgotten one is guarded there by the grace period only, which must not be short.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from fairlead.errors import DamagedError, NotFoundError, UsageError
from fairlead.specs.values import Ref
from fairlead.store import claims, leases
from fairlead.store.backends import Entry, Folder, list_all
from fairlead.store.layers import Layer
from fairlead.store.layout import CACHE, LAYERS, OBJECTS, RUNS, run_prefix
from fairlead.store.opened import Store
from fairlead.store.records import CacheEntry, decode
from fairlead.store.references import Reference, read_published_references, read_references
from fairlead.store.temporaries import abandoned_files

GRACE_S = 24 * 3600.0
"""How old garbage has to be before it is removed, where nothing else is said."""
PAUSE_S = 60.0
"""How long the collector of a remote store waits between its lease and its first look."""
_REMOTE_GRACE_MIN_S = 3600.0

Kind = Literal["object", "cache entry", "layer", "temporary file", "checkpoint", "launch"]


class Garbage(NamedTuple):
    """One thing to remove: its key in the store, or the path of a file."""

    kind: Kind
    key: str
    size_bytes: int


class Plan(msgspec.Struct, frozen=True):
    """What a collection would remove, or has removed.

    Attributes:
        cutoff: What was written or used at or after this time is not looked at; seconds since 1970.
        kept: How many objects stay.
        garbage: What goes.
    """

    cutoff: float
    kept: int
    garbage: tuple[Garbage, ...]

    @property
    def size_bytes(self) -> int:
        """How many bytes this frees."""
        return sum(each.size_bytes for each in self.garbage)

    def of_kind(self, kind: Kind) -> tuple[Garbage, ...]:
        """Return the garbage of one kind."""
        return tuple(each for each in self.garbage if each.kind == kind)


def plan_collection(store: Store, grace_s: float = GRACE_S, now: float | None = None) -> Plan:
    """Say what a collection would remove, and remove nothing.

    Args:
        store: The store.
        grace_s: How old garbage must be, in seconds.
        now: The time, in seconds since 1970.

    Raises:
        DamagedError: A record of a run can't be read; what it refers to is not known.
        UsageError: The grace period is negative, or too short for a remote store.
    """
    least = 0.0 if isinstance(store.backend, Folder) else _REMOTE_GRACE_MIN_S
    if grace_s < least:
        raise UsageError(
            f"a grace period must be at least {least:.0f} seconds, got {grace_s:.0f}",
            where=f"store {store.url}",
            why="" if not least else "an object of a remote store can't be marked as in use",
        )
    return _Survey(store, (time.time() if now is None else now) - grace_s).plan()


def collect(store: Store, plan: Plan) -> Plan:
    """Remove what a plan says, as far as it is still garbage; returns what is gone.

    Raises:
        ClaimedError: Another process collects in this store.
        DamagedError: A record of a run can't be read.
    """
    with leases.collecting(store.backend) as since:
        if not isinstance(store.backend, Folder):
            _wait(store, PAUSE_S)
        survey = _Survey(store, min(plan.cutoff, since), _Beat(store))
        found = set(survey.plan().garbage)
        gone = tuple(survey.remove([each for each in plan.garbage if each in found]))
    return Plan(cutoff=survey.cutoff, kept=plan.kept, garbage=gone)


def _wait(store: Store, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        leases.renew(store.backend)
        time.sleep(min(seconds, claims.BEAT_S))


class _Beat:
    """Renews the lease now and then, when it is called often."""

    def __init__(self, store: Store) -> None:
        self._backend = store.backend
        self._last = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._last >= claims.BEAT_S:
            self._last = time.monotonic()
            leases.renew(self._backend)


def _nothing() -> None:
    """Stand for the beat of who has no lease."""


class _Run:
    """The keys of a run, as one listing found them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.has_spec = False
        self.claimed: float | None = None
        self.is_released = True
        self.newest = 0.0

    def add(self, entry: Entry, rest: str) -> None:
        self.newest = max(self.newest, entry.modified)
        folder, _, name = rest.partition("/")
        if folder.startswith("spec"):
            self.has_spec = True
        elif folder == "claims":
            if name.isdigit() and self.claimed is None:
                self.claimed = entry.modified
            if not name.endswith(".beat"):
                self.is_released = name.endswith(".end")

    def lives(self, store: Store) -> bool:
        """Say whether somebody drives it."""
        if self.is_released:
            return False
        claim = claims.newest_claim(store.backend, self.name)
        return claim is not None and claims.holder_lives(store.backend, self.name, claim)


class _Survey:
    """One look at a store: its runs first, then what they reach, then everything else."""

    def __init__(self, store: Store, cutoff: float, beat: Callable[[], None] = _nothing) -> None:
        self._store = store
        self._beat = beat
        self._backend = store.backend
        self._runs = self._list_runs()
        self._live = {name for name, run in self._runs.items() if run.lives(store)}
        starts = (run.claimed for name, run in self._runs.items() if name in self._live and run.claimed is not None)
        self.cutoff = min([cutoff, *starts])
        self._done: list[str] = []
        self._unused: list[Entry] = []
        self._reached = self._mark()

    def plan(self) -> Plan:
        """Return what goes."""
        objects = list(list_all(self._backend, OBJECTS))
        old = [each for each in objects if self._digest(each) not in self._reached and self._is_old(each)]
        going = {self._digest(each) for each in old}
        garbage = [
            *(Garbage("cache entry", each.key, each.size) for each in self._cache_entries(going)),
            *(Garbage("layer", each.key, each.size) for each in self._unused),
            *(Garbage("object", each.key, each.size) for each in old),
            *(Garbage("temporary file", str(path), size) for path, size in self._files()),
            *(Garbage("checkpoint", place, size) for place, size in self._checkpoints()),
            *(Garbage("launch", run_prefix(name), 0) for name in self._unfinished()),
        ]
        return Plan(cutoff=self.cutoff, kept=len(objects) - len(old), garbage=tuple(garbage))

    def remove(self, garbage: list[Garbage]) -> Iterator[Garbage]:
        """Remove garbage; yields what is gone by it. Cache entries go first, so that none leads to nothing."""
        objects = {each.key.removeprefix(OBJECTS): each for each in garbage if each.kind == "object"}
        for each in garbage:
            match each.kind:
                case "cache entry":
                    self._backend.delete(each.key)
                case "layer":
                    if not any(entry.key == each.key for entry in self._old_layers()):  # made anew since it was seen
                        continue
                    self._backend.delete(each.key)
                case "temporary file":
                    Path(each.key).unlink(missing_ok=True)
                case "checkpoint" if not each.key.startswith(RUNS):
                    shutil.rmtree(each.key, ignore_errors=True)
                case "checkpoint" | "launch":
                    for entry in list(list_all(self._backend, each.key)):
                        self._backend.delete(entry.key)
                case "object":
                    continue
            yield each
        for digest in self._store.values.remove_unused(objects, self.cutoff):
            self._beat()
            for folder in ("files", "folders", "objects"):
                _remove_copy(self._store.host / folder / digest)
            yield objects[digest]

    def _list_runs(self) -> dict[str, _Run]:
        found: dict[str, _Run] = {}
        for entry in list_all(self._backend, RUNS):
            name, slash, rest = entry.key.removeprefix(RUNS).partition("/")
            if slash:
                found.setdefault(name, _Run(name)).add(entry, rest)
        return found

    def _mark(self) -> set[str]:
        reached: set[str] = set()
        locks: set[str] = set()
        for name in self._runs:
            self._beat()
            found = read_references(self._backend, name)
            if found.status == "succeeded" and found.since < self.cutoff and name not in self._live:
                self._done.append(name)
            self._reach(found.references, reached)
            locks |= found.locks
        self._reach(read_published_references(self._backend), reached)
        self._mark_layers(reached, locks)
        return reached

    def _mark_layers(self, reached: set[str], locks: set[str]) -> None:
        """Keep the archives of layers that are young, or whose lock a run names; note the others."""
        for entry in list_all(self._backend, LAYERS):
            try:
                layer = decode(self._backend.get(entry.key), Layer, key=entry.key)
            except NotFoundError:
                continue
            except DamagedError:
                layer = None
            if entry.modified < self.cutoff and not (layer and (layer.lock in locks or layer.lock in reached)):
                self._unused.append(entry)
            elif layer is not None:
                reached.add(layer.archive.digest)

    def _old_layers(self) -> Iterator[Entry]:
        return (each for each in list_all(self._backend, LAYERS) if each.modified < self.cutoff)

    def _reach(self, references: Iterable[Reference], reached: set[str]) -> None:
        for each in references:
            if each.ref.digest not in reached:
                reached.add(each.ref.digest)
                reached.update(part.digest for part in parts_of(self._store, each.ref))

    def _is_old(self, entry: Entry) -> bool:
        if isinstance(self._backend, Folder):
            return leases.last_used(self._backend, entry.key) < self.cutoff
        return entry.modified < self.cutoff

    def _cache_entries(self, going: set[str]) -> Iterator[Entry]:
        for entry in list_all(self._backend, CACHE):
            if entry.modified >= self.cutoff:
                continue
            try:
                outcome = decode(self._backend.get(entry.key), CacheEntry, key=entry.key).outcome
            except NotFoundError:
                continue
            except DamagedError:
                yield entry
                continue
            if any(ref.digest in going for ref in (*outcome.outputs, *outcome.items)):
                yield entry

    def _files(self) -> Iterator[tuple[Path, int]]:
        roots = [self._store.host]
        if isinstance(self._backend, Folder):
            roots.append(self._backend.root)
        return abandoned_files(roots, self.cutoff)

    def _unfinished(self) -> Iterator[str]:
        for name, run in self._runs.items():
            if not run.has_spec and run.newest < self.cutoff and name not in self._live:
                yield name

    def _checkpoints(self) -> Iterator[tuple[str, int]]:
        """Yield the folders of this machine, and what pods have put into a remote store."""
        for folder in map(self._store.checkpoints, self._done):
            if folder.is_dir():
                yield str(folder), _size_of(folder)
        for prefix in (f"{run_prefix(run)}checkpoints/" for run in self._done):
            if not isinstance(self._backend, Folder) and (
                size := sum(each.size for each in list_all(self._backend, prefix))
            ):
                yield prefix, size

    def _digest(self, entry: Entry) -> str:
        return entry.key.removeprefix(OBJECTS)


def parts_of(store: Store, ref: Ref) -> list[Ref]:
    """Return what a stored value lists, as far as it can be read: nothing keeps what nobody can find."""
    try:
        return store.values.parts(ref)
    except DamagedError:
        return []


def _size_of(folder: Path) -> int:
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):
                total += os.lstat(os.path.join(path, name)).st_size
    return total


def _remove_copy(path: Path) -> None:
    """Remove what this machine has laid out of an object."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
