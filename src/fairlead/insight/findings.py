"""What a rule is, and what it finds: a cause, what it rests on, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple

from fairlead.snapshots.parts import Evidence
from fairlead.snapshots.snapshot import Snapshot, Thing


class Layer(IntEnum):
    """Where a cause lies. What an earlier layer holds back never comes to the later ones."""

    STRUCTURE = 1
    POLICY = 2
    QUOTA = 3
    PLACEMENT = 4
    VOLUME = 5
    IMAGE = 6
    INIT = 7
    START = 8
    RUN = 9
    CODE = 10


class Found(NamedTuple):
    """What a rule has found in an object.

    Attributes:
        evidence: What it rests on.
        message: What is the matter, in one sentence with the values.
        remedy: What to do about it: a command or an edit.
        since: When it began, as the cluster writes times; empty where nothing says so.
        part: What of the object it is in, such as a container.
        explains: The path of what is explained herewith, which later rules leave: a container, for instance. The first
            evidence where it is empty.
        signature: What findings of one rule have in common that are one cause; the message without its numbers where
            it is empty.
        settles: The uids of other objects that are explained herewith: the pod of a step that has said itself why.
    """

    evidence: tuple[Evidence, ...]
    message: str
    remedy: str
    since: str = ""
    part: str = ""
    explains: str = ""
    signature: str = ""
    settles: tuple[str, ...] = ()


Finder = Callable[[Thing, Snapshot], Iterator[Found]]
"""Yields what shows a cause in an object."""


class Rule(NamedTuple):
    """How one cause shows itself.

    Attributes:
        id: Its name, which stays: ``image-not-found``.
        layer: Where it lies.
        kinds: The kinds of objects that show it; empty for any.
        places: Where in them it shows itself, any of these: see `fairlead.insight.signs.places_of`.
        find: Yields what it finds in an object.
        source: Where its documentation is.
        confidence: From 0 to 1: how sure it is that this is the cause, where it shows itself.
        is_consequence: Something else has brought it about, wherever anything else is found.
    """

    id: str
    layer: Layer
    kinds: tuple[str, ...]
    places: frozenset[str]
    find: Finder
    source: str
    confidence: float = 1.0
    is_consequence: bool = False
