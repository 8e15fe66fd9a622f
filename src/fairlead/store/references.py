"""What runs and published flows refer to: the roots from which values are kept, and who misses one that is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from fairlead.errors import DamagedError, NotFoundError
from fairlead.specs.requirements import read_requirements
from fairlead.specs.values import Ref
from fairlead.store.backends import Backend, list_all
from fairlead.store.layout import PUBLISHED, run_prefix
from fairlead.store.records import FORMAT, decode

_TRIES = 20
"""Readings of a run whose records are merged meanwhile; each lost one means that its driver got on."""


class Reference(NamedTuple):
    """A record refers to a value."""

    run: str
    where: str
    ref: Ref

    def __str__(self) -> str:
        return f"{self.run}/{self.where}"


class RunReferences(NamedTuple):
    """What one run refers to, and how it was doing: its last status, and since when.

    Attributes:
        locks: The digests of the locks that lists of packages are; locks that are files are among the references.
    """

    references: tuple[Reference, ...]
    status: str
    since: float
    locks: frozenset[str] = frozenset()


def read_references(backend: Backend, run: str) -> RunReferences:
    """Read everything that a run refers to; nothing where it has been removed.

    Raises:
        DamagedError: A record can't be read: what it refers to is not known.
    """
    for _ in range(_TRIES):
        try:
            return _gather(run, list(_documents(backend, run)))
        except NotFoundError:  # merged into another record since it was listed
            continue
    raise DamagedError(f"cannot read the records of run {run}", why="they vanish while they are read", next="try again")


def read_published_references(backend: Backend) -> Iterator[Reference]:
    """Yield everything that published flows refer to.

    Raises:
        DamagedError: A record can't be read: what it refers to is not known.
    """
    for entry in list_all(backend, PUBLISHED):
        flow, _, digest = entry.key.removeprefix(PUBLISHED).rpartition("/")
        try:
            document = _read(backend, entry.key)
        except NotFoundError:  # removed since it was listed
            continue
        yield from (Reference(f"{PUBLISHED}{flow}", digest, ref) for ref in references_in(document))


def references_in(data: Any) -> Iterator[Ref]:
    """Yield each reference in a JSON document, wherever it stands: one in an unknown place counts, too."""
    waiting = [data]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting.extend(found)
        elif isinstance(found, dict):
            if "digest" in found and "size_bytes" in found:
                try:
                    yield msgspec.convert(found, Ref)
                    continue
                except msgspec.ValidationError:  # a parameter that only looks like one
                    pass
            waiting.extend(found.values())


def locks_in(data: Any) -> Iterator[str]:
    """Yield the digest of the lock that each list of packages in a JSON document is, wherever it stands.

    A lock that is a file is a reference like others, see `references_in`.
    """
    waiting = [data]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting.extend(found)
        elif isinstance(found, dict):
            packages = found.get("packages")
            if isinstance(packages, list) and packages and all(isinstance(each, str) for each in packages):
                yield read_requirements(packages).digest
            waiting.extend(found.values())


def _documents(backend: Backend, run: str) -> Iterator[tuple[str, Any]]:
    """Read a run's records. Compaction copies before it deletes: what it deletes from is read first."""
    prefix = run_prefix(run)
    for folder in ("attempts/", "calls/", "tasks/", "observed/", "final/", "spec"):
        keys = [each.key for each in _listed(backend, prefix, folder)]
        for key in keys[-1:] if folder == "final/" else keys:
            yield folder, _read(backend, key) if folder != "tasks/" else _read_task(backend, key)


def _listed(backend: Backend, prefix: str, folder: str) -> Iterable[Any]:
    if folder.endswith("/"):
        return list_all(backend, prefix + folder)
    found = backend.list_after(prefix, prefix + folder[:-1])
    return [each for each in found if each.key.startswith(prefix + folder)]


def _read(backend: Backend, key: str) -> Any:
    document = decode(backend.get(key), dict, key=key)
    version = document.get("format", 0)
    if isinstance(version, int) and version > FORMAT:
        raise DamagedError(
            f"cannot read {key}",
            why=f"it was written by a newer Fairlead (record format {version}, this one reads up to {FORMAT})",
            next="pip install --upgrade fairlead",
        )
    return document


def _read_task(backend: Backend, key: str) -> Any:
    """Read what the ranks of a gang are told, which is no JSON."""
    try:
        return msgspec.msgpack.decode(backend.get(key), type=dict)
    except msgspec.DecodeError as error:
        raise DamagedError(f"the record {key} is damaged", why=str(error), next="fairlead store check") from error


def _gather(run: str, documents: Iterable[tuple[str, Any]]) -> RunReferences:
    found: list[Reference] = []
    locks: set[str] = set()
    status, since = "", 0.0
    for folder, document in documents:
        for part in document.get("observations", [document]):
            where = "spec" if folder == "spec" else _where(part)
            found.extend(Reference(run, where, ref) for ref in references_in(part))
            if folder == "spec" or part.get("kind") == "called":  # no other record says what a step needs
                locks.update(locks_in(part))
            if part.get("kind") == "run" and part["time"] >= since:
                status, since = part["status"], part["time"]
    return RunReferences(tuple(found), status, since, frozenset(locks))


def _where(part: Any) -> str:
    about = part.get("record", part)
    return f"{about.get('step', '?')}/{about.get('index', 0)}"
