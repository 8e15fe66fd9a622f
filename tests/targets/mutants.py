"""Objects with one thing wrong: a field that is gone, misspelt, of another type, or a word that is none of those known."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

KEPT = {("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"), ("metadata", "namespace")}
"""What a request stands or falls with, whatever the fields of a kind are."""

Place = tuple[Any, ...]


class Mutant(NamedTuple):
    """An object with one change, and what that is."""

    manifest: dict[str, Any]
    change: str


def places(manifest: dict[str, Any]) -> list[Place]:
    """Return every place in an object where something stands that can be changed."""
    return [place for place in _places(manifest) if place not in KEPT]


def put(manifest: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    """Return an object with another value at a place."""
    made = copy.deepcopy(manifest)
    _inside(made, place)[place[-1]] = value
    return made


def mutants(manifest: dict[str, Any], chance: random.Random, count: int) -> Iterator[Mutant]:
    """Yield as many, each with one change at a place of its own choice."""
    among = places(manifest)
    for _ in range(count):
        place, made = chance.choice(among), copy.deepcopy(manifest)
        change = _change(_inside(made, place), place[-1], chance)
        yield Mutant(made, f"{change}: {manifest['kind']}.{'.'.join(map(str, place))}")


def _change(inside: Any, name: Any, chance: random.Random) -> str:
    how = chance.choice(["without", "another type", "another word", "null", *["misspelt"] * isinstance(inside, dict)])
    if how == "without":
        del inside[name]
    elif how == "misspelt":
        inside[name[:-1] + chance.choice("xyz")] = inside.pop(name)
    elif how == "another type":
        others = [each for each in (7, "seven", True, [7], {"seven": 7}) if type(each) is not type(inside[name])]
        inside[name] = chance.choice(others)
    else:
        inside[name] = None if how == "null" else "Nonsense"
    return how


def _inside(made: Any, place: Place) -> Any:
    for name in place[:-1]:
        made = made[name]
    return made


def _places(found: Any, path: Place = ()) -> Iterator[Place]:
    items = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for name, each in items:
        yield (*path, name)
        yield from _places(each, (*path, name))
