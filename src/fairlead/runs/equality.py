"""Whether two loaded values are equal, found out without harm: what can't be compared is `unknown`.

Values are compared as their libraries do it, which are not imported here: whoever made the value has done so.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Literal

Verdict = Literal["equal", "different", "unknown"]

_DEPTH_MAX = 8
_PARTS_MAX = 10_000


def compare(first: Any, second: Any) -> Verdict:
    """Compare two values of any type; bounded in depth and in the number of parts.

    Args:
        first: A value.
        second: Another one.

    Returns:
        ``unknown`` where a comparison raises, gives no truth value, or compares identities only.
    """
    return _Comparison().values(first, second, 0)


class _Comparison:
    """One comparison, and how many parts it has looked at."""

    def __init__(self) -> None:
        self._parts = 0

    def values(self, first: Any, second: Any, depth: int) -> Verdict:
        self._parts += 1
        if depth > _DEPTH_MAX or self._parts > _PARTS_MAX:
            return "unknown"
        if type(first) is not type(second):
            return "different"
        try:
            return self._same_type(first, second, depth)
        except Exception:  # the user's own comparison may raise anything; nothing is known then
            return "unknown"

    def _same_type(self, first: Any, second: Any, depth: int) -> Verdict:
        kind = type(first)
        if isinstance(first, Mapping):
            if first.keys() != second.keys():
                return "different"
            return self._all(((first[key], second[key]) for key in first), depth)
        if kind in (list, tuple):
            return "different" if len(first) != len(second) else self._all(zip(first, second, strict=True), depth)
        library = kind.__module__.partition(".")[0]
        if library in ("numpy", "jax", "jaxlib"):
            return _of_arrays(first, second)
        if callable(method := getattr(first, "equals", None)):  # data frames, series, Arrow's tables and arrays
            return _truth(method(second))
        if library == "torch":
            return _truth(first.equal(second))
        if not _says_when_equal(kind):
            return self._of_objects(first, second, depth)
        return _truth(first == second)

    def _all(self, pairs: Any, depth: int) -> Verdict:
        verdict: Verdict = "equal"
        for first, second in pairs:
            found = self.values(first, second, depth + 1)
            if found == "different":
                return found
            verdict = found if found == "unknown" else verdict
        return verdict

    def _of_objects(self, first: Any, second: Any, depth: int) -> Verdict:
        """Compare objects whose class does not say when they are equal: equal attributes are, else nobody knows."""
        if not hasattr(first, "__dict__") or hasattr(type(first), "__slots__"):
            return "unknown"
        return "equal" if self.values(vars(first), vars(second), depth + 1) == "equal" else "unknown"


def _says_when_equal(kind: type) -> bool:
    """Whether a class compares more than identities."""
    return next(each for each in kind.__mro__ if "__eq__" in vars(each)) is not object


def _of_arrays(first: Any, second: Any) -> Verdict:
    numpy = sys.modules["numpy"]  # there, since the values are
    if first.dtype != second.dtype:
        return "different"
    numbers = first.dtype.kind in "fc"
    return _truth(bool(numpy.array_equal(first, second, equal_nan=numbers)))


def _truth(answer: Any) -> Verdict:
    if answer is True or answer is False:
        return "equal" if answer else "different"
    return "unknown"
