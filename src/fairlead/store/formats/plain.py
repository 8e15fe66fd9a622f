"""JSON and raw bytes: the values that most steps pass on.

JSON holds a value only where it comes back exactly: `None`, `bool`, `int`, `float`, `str`, and lists and
dicts of such with string keys, all of exactly these types. Tuples, other keys and subclasses are left to
pickle. NaN and the infinities are written as Python's ``json`` writes them. That two places held the same
list is not kept.
"""

from __future__ import annotations

import json
from typing import Any

from fairlead.specs.values import Ref
from fairlead.store.formats.protocol import Unfit, Whole

_DEPTH = 200
"""Deeper values are left to pickle: Python's JSON reader recurses, and may start deep in a stack itself."""

_INT_BITS = 2048
"""Longer integers are left to pickle: Python may refuse to read more than 640 decimal digits."""

_MOST = 100_000_000
"""Elements, counted once for each place where they appear, above which a value is left to pickle."""

_FREE = frozenset({type(None), bool, float, str})
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


class Json(Whole):
    """UTF-8 JSON without spaces, keys in the order of the dict."""

    name = "json"

    def accepts(self, value: Any) -> bool:
        """Say whether the value comes back from JSON exactly, type for type."""
        kind = type(value)
        if kind in _FREE:
            return True
        if kind is int:
            return _is_short(value)
        return (kind is list or kind is dict) and _count(value, 0, {}) <= _MOST

    def encode(self, value: Any) -> bytes:
        """Make the JSON; `Unfit` for a string that UTF-8 can't hold (a lone surrogate)."""
        try:
            return _ENCODER.encode(value).encode()
        except UnicodeEncodeError as error:
            raise Unfit("UTF-8 can't hold its text") from error

    def decode(self, data: bytes, ref: Ref) -> Any:
        """Read the JSON."""
        return json.loads(data)


class Bytes(Whole):
    """A bytes object, as it is."""

    name = "bytes"

    def accepts(self, value: Any) -> bool:
        """Say whether this is exactly a bytes object."""
        return type(value) is bytes

    def encode(self, value: Any) -> bytes:
        """Return the bytes."""
        return bytes(value)

    def decode(self, data: bytes, ref: Ref) -> bytes:
        """Return the bytes."""
        return data


def _is_short(number: int) -> bool:
    return number.bit_length() <= _INT_BITS


def _count(value: list[Any] | dict[str, Any], depth: int, seen: dict[int, float]) -> float:
    """Count what JSON would write, or give infinity for a value that it can't hold.

    A container is walked once, however often it appears, so that neither a cycle nor a list of lists of
    the same list makes this slow. Inside a cycle the container being walked counts as infinite.
    """
    known = seen.get(id(value))
    if known is not None:
        return known
    seen[id(value)] = float("inf")
    if depth >= _DEPTH or (type(value) is dict and not set(map(type, value)) <= {str}):
        return float("inf")
    items = value.values() if type(value) is dict else value
    kinds = set(map(type, items))
    total: float = len(value) + 1
    rest = kinds - _FREE
    if int in rest:
        rest.discard(int)
        if not all(_is_short(item) for item in items if type(item) is int):
            return float("inf")
    if rest - {list, dict}:
        return float("inf")
    if rest:
        for item in items:
            if type(item) is list or type(item) is dict:
                total += _count(item, depth + 1, seen)
    seen[id(value)] = total
    return total


JSON = Json()
BYTES = Bytes()
