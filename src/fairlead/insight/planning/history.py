"""How long steps took and how much memory, by what earlier attempts did that succeeded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fairlead.insight.planning.documents import Spread


class Took(NamedTuple):
    """An attempt that succeeded.

    Attributes:
        name: The name of the instance.
        duration_s: How long it took.
        memory_bytes: The most memory that it had, where that is known.
    """

    name: str
    duration_s: float
    memory_bytes: int | None


def spread(values: Iterable[float]) -> Spread | None:
    """Return the middle and the upper end of some values; None where there are none.

    Each is a value that there was: of two, the middle is the lesser, and the upper end the greater.
    """
    found = sorted(values)
    return Spread(p50=_rank(found, 0.5), p90=_rank(found, 0.9), attempts=len(found)) if found else None


def _rank(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share of all values does not exceed: the nearest rank."""
    place = -(-len(values) * round(share * 100) // 100)
    return values[max(0, place - 1)]
