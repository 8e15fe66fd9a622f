"""Print what could not be read of what capacity is told by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.specs.reports import NotRead

_SHOWN = 20


def print_gaps(gaps: Sequence[NotRead]) -> None:
    """Print what could not be read, or is counted otherwise than it is; the first ones where there are many."""
    if gaps:
        print("\nnot read, or counted otherwise")
        for gap in gaps[:_SHOWN]:
            print(f"  {gap.what}: {gap.why}")
        if len(gaps) > _SHOWN:
            print(f"  and {len(gaps) - _SHOWN} more: -o json has them all")
