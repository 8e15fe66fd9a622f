"""Reading objects of a cluster that may be of any form: what is not there, or is not what it should be, reads as empty.

What is read can be cited: each part knows its object and its path in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

_VALUE_CHARACTERS_MAX = 600


class Ref(NamedTuple):
    """The name of an object of a cluster; `namespace` is empty where its kind has none."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {place}{self.name}"


class Evidence(NamedTuple):
    """What an answer rests on.

    Attributes:
        subject: The object.
        path: Where in it: ``status.conditions[1].reason``.
        value: What is there, in short.
    """

    subject: str
    path: str
    value: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an object.

    Args:
        ref: The object.
        path: Where in it; empty for the whole.
        value: What is there.
    """

    ref: Ref
    path: str
    value: Any

    def part(self, path: str) -> Part:
        """Return what is below: the names of fields, with dots between."""
        return Part(self.ref, f"{self.path}.{path}" if self.path else path, self._at(path))

    def text(self, path: str) -> str:
        """Return a text, or a number as text; empty where there is none."""
        return _text(self._at(path))

    def number(self, path: str) -> int | None:
        """Return a whole number; None where there is none."""
        value = self._at(path)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def mapping(self, path: str) -> Mapping[str, Any]:
        """Return a mapping with texts as keys; empty where there is none."""
        value = self._at(path)
        return {key: each for key, each in value.items() if isinstance(key, str)} if isinstance(value, dict) else {}

    def each(self, path: str) -> Iterator[Part]:
        """Yield the mappings of a list."""
        found = self.part(path)
        for number, value in enumerate(found.value if isinstance(found.value, list) else ()):
            if isinstance(value, dict):
                yield Part(self.ref, f"{found.path}[{number}]", value)

    def cite(self, *paths: str) -> tuple[Evidence, ...]:
        """Return what is at each of these places, where anything is."""
        found = [self.part(path) for path in paths]
        return tuple(
            Evidence(str(self.ref), each.path, shortened(_text(each.value) or msgspec.json.encode(each.value).decode()))
            for each in found
            if each.value not in (None, "", [], {})
        )

    def _at(self, path: str) -> Any:
        value = self.value
        for name in path.split("."):
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def shortened(text: str) -> str:
    """Return a text in one line, and so long that people read it."""
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= _VALUE_CHARACTERS_MAX else f"{text[:_VALUE_CHARACTERS_MAX]}…"
