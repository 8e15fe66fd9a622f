"""What the samples of upstream projects say, as facts, and how these are held against a manifest.

A file of `projects/` has the facts of one project's samples. A fact is a path and its value: ``spec.tasks[B].depends``
names an item of a list by its name, ``[0]`` by its place; ``[*]`` is any item, and ``**`` any way. It is one of four:

- ``same``: ours says it as theirs does;
- ``differs``: ours says something else, or says it elsewhere, or (null) not at all, for a reason;
- ``unsaid``: it is of the sample's own program, and no word of a step's;
- ``added``: ours says it beside, for a reason.

What all pods of Fairlead have, and all samples, stands in ``everywhere.yaml``. ``{name}`` in a value is the object's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml

from fairlead.quantities import parse_quantity

FOLDER = Path(__file__).parent
_TOKEN = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")
_ANYWHERE = "**"
_NAME = frozenset({"name"})


class Differs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a sample says, and ours for a reason does not: ours is at ``where``, the same place unless that is said."""

    at: str
    theirs: Any
    why: str
    ours: Any = None
    where: str = ""


class Added(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ours says beside, below a path; its value, where it is one that matters."""

    at: str
    why: str
    ours: Any = msgspec.UNSET


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One object of a sample, and which step of `steps` says the same to which target."""

    path: str
    version: str = ""
    kind: str
    made: str
    target: str
    step: str
    context: dict[str, Any] = {}
    same: dict[str, Any] = {}
    differs: list[Differs] = []
    unsaid: list[str] = []
    added: list[Added] = []


class Project(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A project, the version or commit whose samples were read, and the Go module that brings them, where one does.

    What is ``added`` here, ours says beside all its samples that have such a place.
    """

    repository: str
    version: str
    module: str = ""
    added: list[Added] = []
    samples: list[Sample]


class Everywhere(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What holds for all samples, and why."""

    reasons: dict[str, str]
    unsaid: list[str]
    added: list[Added]


def projects() -> dict[str, Project]:
    """Return all projects by the name of their file."""
    files = sorted((FOLDER / "projects").glob("*.yaml"))
    return {file.stem: msgspec.convert(_read(file), Project) for file in files}


def everywhere() -> Everywhere:
    return msgspec.convert(_read(FOLDER / "everywhere.yaml"), Everywhere)


def _read(file: Path) -> Any:
    return yaml.safe_load(file.read_text("utf-8"))


class Leaf(NamedTuple):
    """A value of a manifest, and the words by which each part of its way is known."""

    way: tuple[frozenset[str], ...]
    value: Any

    def __str__(self) -> str:
        return ".".join(max(words, key=len) for words in self.way)

    def is_at(self, path: str) -> bool:
        """Whether a path leads here."""
        return _leads(_tokens(path), self.way, below=False)

    def is_told_by(self, path: str) -> bool:
        """Whether a path leads here, to what this is part of, or to an item of a list by the name that this is."""
        tokens = _tokens(path)
        if _leads(tokens, self.way, below=True):
            return True
        item = self.way[:-1]
        named = (tokens[:end] for end, token in enumerate(tokens, 1) if token == self.value)
        return self.way[-1:] == (_NAME,) and any(_leads(each, item, below=False) for each in named)


def leaves(found: Any, way: tuple[frozenset[str], ...] = ()) -> Iterator[Leaf]:
    """Yield every value of a manifest; lists of plain values are one, and so is what is empty."""
    if isinstance(found, dict) and found:
        for key, value in found.items():
            yield from leaves(value, (*way, frozenset({str(key)})))
    elif isinstance(found, list) and any(isinstance(each, dict | list) for each in found):
        for place, each in enumerate(found):
            name = {str(each["name"])} if isinstance(each, dict) and "name" in each else set()
            yield from leaves(each, (*way, frozenset({str(place), *name})))
    else:
        yield Leaf(way, found)


def values(manifest: dict[str, Any], path: str) -> list[Any]:
    """Return what stands where a path leads."""
    return [each.value for each in leaves(manifest) if each.is_at(path)]


def below(manifest: dict[str, Any], path: str) -> list[str]:
    """Return what stands where a path leads, or is part of that."""
    return [str(each) for each in leaves(manifest) if each.is_told_by(path)]


def unlike(manifest: dict[str, Any], facts: Iterable[tuple[str, Any]]) -> list[str]:
    """Return each fact that does not hold, with what is said instead; None is the fact that nothing is."""
    name = manifest["metadata"].get("name", "")
    found = [(path, fact, values(manifest, path) or [None]) for path, fact in facts]
    return [
        f"{path} is {said}, and not {fact}"
        for path, fact, said in found
        if not all(is_meant(path, value, fact, name) for value in said)
    ]


def beside(manifest: dict[str, Any], paths: Iterable[str]) -> list[str]:
    """Return what no path leads to."""
    known = [*paths]
    return [str(each) for each in leaves(manifest) if not any(each.is_told_by(path) for path in known)]


def is_meant(path: str, said: Any, fact: Any, name: str) -> bool:
    """Say whether a value is what a fact says, of the object of a name.

    An amount may be written in any unit, and a text may be one of a list of them.
    """
    if isinstance(fact, str):
        fact = fact.replace("{name}", name)
    if isinstance(fact, str) and isinstance(said, list):
        return fact in said
    if re.search(r"\bresources\.(requests|limits)\b", path) and None not in (said, fact):
        return parse_quantity(str(said)) == parse_quantity(str(fact))
    return type(said) is type(fact) and bool(said == fact)


def _tokens(path: str) -> tuple[str, ...]:
    return tuple(inside or plain for inside, plain in _TOKEN.findall(path))


def _leads(tokens: tuple[str, ...], way: tuple[frozenset[str], ...], *, below: bool) -> bool:
    if not tokens:
        return below or not way
    if tokens[0] == _ANYWHERE:
        return any(_leads(tokens[1:], way[skipped:], below=below) for skipped in range(len(way) + 1))
    return bool(way) and tokens[0] in ("*", *way[0]) and _leads(tokens[1:], way[1:], below=below)
