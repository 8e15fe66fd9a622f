"""Checking a store: every record can be read, every object has the bytes it is named by, nothing is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from fairlead.errors import DamagedError, FairleadError, NotFoundError
from fairlead.specs.contexts import Submission
from fairlead.specs.values import Ref
from fairlead.store.backends import list_all
from fairlead.store.layout import CACHE, OBJECTS, PUBLISHED, RUNS
from fairlead.store.opened import Store
from fairlead.store.records import (
    AttemptRecord,
    Cached,
    CacheEntry,
    Called,
    Claim,
    Event,
    Evidence,
    Handover,
    Published,
    RunSpec,
    Segment,
    Started,
    Waits,
    decode,
)
from fairlead.store.references import Reference, read_published_references, read_references

_FORMS: dict[str, type[Any]] = {
    "attempts": AttemptRecord, "calls": Called, "starts": Started, "evidence": Evidence,
    "observed": Segment, "final": Segment, "events": Event, "claims": Claim, "submissions": Submission,
    "waits": Waits,
}  # fmt: skip
"""The records of a run by the folder they lie in; logs, metrics and checkpoints are not ours to judge."""


class Fault(NamedTuple):
    """Something that is not as it was written.

    Attributes:
        kind: What is wrong.
        key: The record or object.
        why: How it shows.
        used_by: The runs and steps that refer to it, as ``run/step/index`` or ``run/spec``.
        is_set_aside: Whether it was moved out of the way.
    """

    kind: Literal["damaged record", "damaged object", "missing object"]
    key: str
    why: str
    used_by: tuple[str, ...] = ()
    is_set_aside: bool = False


class CheckReport(msgspec.Struct, frozen=True):
    """What a check has looked at, and what it found."""

    records: int
    objects: int
    size_bytes: int
    faults: tuple[Fault, ...]


def check(store: Store, *, repair: bool = False) -> CheckReport:
    """Read every record and hash every object.

    Args:
        store: The store.
        repair: Whether damaged objects and cache entries are moved aside or removed: the steps they came from
            are executed again by the next run, or when a run is resumed that needs them.
    """
    return _Check(store, repair).run()


class _Check:
    def __init__(self, store: Store, repair: bool) -> None:
        self._store = store
        self._repair = repair
        self._faults: list[Fault] = []
        self._records = 0
        self._users: dict[str, set[str]] = defaultdict(set)

    def run(self) -> CheckReport:
        """Check records first: they tell who uses an object."""
        runs = self._check_records()
        for run in runs:
            self._note_users(run)
        self._check_published()
        self._check_cache()
        sizes = self._check_objects()
        for digest in sorted(self._users.keys() - sizes.keys()):
            self._add("missing object", OBJECTS + digest, "the store has no such object", digest)
        return CheckReport(self._records, len(sizes), sum(sizes.values()), tuple(self._faults))

    def _check_records(self) -> list[str]:
        runs: dict[str, None] = {}
        for entry in list_all(self._store.backend, RUNS):
            run, _, rest = entry.key.removeprefix(RUNS).partition("/")
            runs[run] = None
            form = _form_of(rest)
            if form is not None:
                self._check_record(entry.key, form)
        return list(runs)

    def _check_published(self) -> None:
        entries = list(list_all(self._store.backend, PUBLISHED))
        if all([self._check_record(each.key, Published) for each in entries]):
            for reference in read_published_references(self._store.backend):
                self._note(reference)

    def _check_record(self, key: str, form: type[Any]) -> bool:
        try:
            decode(self._store.backend.get(key), form, key=key)
        except NotFoundError:  # merged or removed since it was listed
            return True
        except DamagedError as error:
            self._faults.append(Fault("damaged record", key, error.why))
            return False
        finally:
            self._records += 1
        return True

    def _note_users(self, run: str) -> None:
        try:
            references = read_references(self._store.backend, run).references
        except DamagedError:  # told already, record by record
            return
        for each in references:
            self._note(each)

    def _note(self, reference: Reference) -> None:
        self._users[reference.ref.digest].add(str(reference))
        for part in _parts(self._store, reference.ref):
            self._users[part.digest].add(str(reference))

    def _check_cache(self) -> None:
        for entry in list_all(self._store.backend, CACHE):
            if not self._check_record(entry.key, CacheEntry) and self._repair:
                self._store.backend.delete(entry.key)
                self._faults[-1] = self._faults[-1]._replace(is_set_aside=True)

    def _check_objects(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for entry in list_all(self._store.backend, OBJECTS):
            digest = entry.key.removeprefix(OBJECTS)
            sizes[digest] = entry.size
            try:
                self._store.values.verify(Ref(digest=digest, format="", size_bytes=entry.size))
            except FairleadError as error:
                if isinstance(error, DamagedError) and not self._is_there(digest):  # collected since it was listed
                    del sizes[digest]
                    continue
                self._add("damaged object", entry.key, error.why, digest)
        return sizes

    def _is_there(self, digest: str) -> bool:
        found = self._store.backend.list_after(OBJECTS, OBJECTS + digest[:-1], limit=16)
        return any(each.key == OBJECTS + digest for each in found)

    def _add(self, kind: Literal["damaged object", "missing object"], key: str, why: str, digest: str) -> None:
        aside = self._repair and kind == "damaged object" and len(digest) == 64
        if aside:
            self._store.values.set_aside(digest)
        users = tuple(sorted(self._users.get(digest, ())))
        self._faults.append(Fault(kind, key, why, users, aside))


def _form_of(rest: str) -> type[Any] | None:
    """Return the form of a run's record, by the rest of its key; None for what is not ours to judge."""
    folder, _, name = rest.partition("/")
    if folder.startswith("spec"):
        return RunSpec
    if folder == "attempts" and name.endswith(".0"):
        return Cached
    if folder == "claims" and name.endswith((".beat", ".cluster", ".end")):
        return Handover if name.endswith(".cluster") else None
    return _FORMS.get(folder)


def _parts(store: Store, ref: Ref) -> list[Ref]:
    try:
        return store.values.parts(ref)
    except DamagedError:  # told with the object itself
        return []


def missing_artifacts(store: Store, run: str) -> Iterator[Reference]:
    """Yield what a run refers to and the store has not got whole, without reading large objects."""
    seen: set[str] = set()
    for each in read_references(store.backend, run).references:
        if each.ref.digest not in seen:
            seen.add(each.ref.digest)
            if not _is_whole(store, each.ref):
                yield each


def _is_whole(store: Store, ref: Ref) -> bool:
    try:
        return store.values.exists(ref)
    except DamagedError:
        return False
