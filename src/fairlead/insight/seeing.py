"""What a sign is, and what is seen by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fairlead.snapshots.parts import Evidence, shortened
from fairlead.snapshots.snapshot import Snapshot, Thing

_TEXT_MAX = 10_000
"""So many characters of a text are looked at: patterns take long for what has no end."""


class Seen(NamedTuple):
    """A sign that was seen: what it rests on, what fills the sentences, and what else `Found` has of it."""

    evidence: tuple[Evidence, ...]
    words: dict[str, str]
    since: str = ""
    part: str = ""
    explains: str = ""
    signature: str = ""
    settles: tuple[str, ...] = ()


class Sign(NamedTuple):
    """Where a cause may show itself, and what finds it there.

    Attributes:
        place: The sort of place, one of those of `places_of`: without it nothing is looked for.
        find: Yields what is seen in an object.
    """

    place: str
    find: Callable[[Thing, Snapshot], Iterator[Seen]]


def matches(pattern: str, text: str) -> bool:
    """Say whether a whole text is as a pattern says; an empty pattern is any."""
    return not pattern or re.fullmatch(pattern, text) is not None


def words_in(pattern: str, text: str) -> dict[str, str] | None:
    """Return what a pattern finds in a text, by the names of its groups; None where it finds nothing."""
    found = re.search(pattern, text[:_TEXT_MAX], re.IGNORECASE | re.DOTALL)
    if found is None:
        return None
    return {"said": shortened(text), **named(found)}


def named(found: re.Match[str]) -> dict[str, str]:
    """Return what the named groups of a pattern have found."""
    return {name: value for name, value in found.groupdict().items() if value is not None}
