"""What grows in pieces: a log that is put into the store while its step runs.

Each piece is an object named by the place where it begins, ``logs/<task>.s<place>``. In the end they are replaced by
one object, ``logs/<task>``, which counts as soon as it is there.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fairlead.errors import NotFoundError
from fairlead.store.backends import Backend, Entry, list_all

_MARK = ".s"
_SEGMENT = re.compile(r"(.+)\.s(\d{14})")
_BLOCK = 8 << 20


def segment_key(key: str, start: int) -> str:
    """Return the key of the piece of an object that begins at a place, in bytes."""
    return f"{key}{_MARK}{start:014}"


def whole_key(key: str) -> str:
    """Return the key of the object that a key is a piece of; of what is no piece, its own."""
    found = _SEGMENT.fullmatch(key)
    return found[1] if found else key


def read_segments(backend: Backend, key: str, start: int, length: int) -> bytes:
    """Return the part of a range that the pieces of an object hold by now."""
    found = bytearray()
    for begin, entry in _segments(backend, key):
        place = start + len(found)
        if len(found) < length and begin <= place < begin + entry.size:
            try:
                found += backend.get(entry.key, place - begin, length - len(found))
            except NotFoundError:  # made one object since they were listed
                break
    return bytes(found)


def segments_size(backend: Backend, key: str) -> int:
    """Return how many bytes the pieces of an object hold by now."""
    return max((begin + entry.size for begin, entry in _segments(backend, key)), default=0)


def join_segments(backend: Backend, folder: str) -> None:
    """Make whole what was left in pieces below a folder, by writers that are gone."""
    pieces: dict[str, list[Entry]] = {}
    whole = set()
    for entry in list_all(backend, folder):
        key = whole_key(entry.key)
        if key == entry.key:
            whole.add(key)
        else:
            pieces.setdefault(key, []).append(entry)
    for key, entries in pieces.items():
        if key not in whole:
            _join(backend, key, entries)
        for entry in entries:
            backend.delete(entry.key)


def _join(backend: Backend, key: str, entries: list[Entry]) -> None:
    with tempfile.NamedTemporaryFile(prefix="fairlead-", delete=False) as file:
        for entry in entries:
            start = 0
            while block := backend.get(entry.key, start, _BLOCK):
                file.write(block)
                start += len(block)
    path = Path(file.name)
    try:
        backend.put_file(key, path)
    finally:
        path.unlink(missing_ok=True)


def _segments(backend: Backend, key: str) -> Iterator[tuple[int, Entry]]:
    folder = key.rpartition("/")[0] + "/"
    for entry in list_all(backend, folder, key + _MARK):
        found = _SEGMENT.fullmatch(entry.key)
        if found is None or found[1] != key:
            return
        yield int(found[2]), entry
