"""How long steps took and how much memory, by what earlier attempts did that succeeded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fairlead.insight.planning.documents import Spread
from fairlead.planner.rightsizing import nearest_rank


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
    if not found:
        return None
    return Spread(p50=nearest_rank(found, 50), p90=nearest_rank(found, 90), attempts=len(found))
