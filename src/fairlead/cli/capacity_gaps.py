"""Print what could not be read of what capacity is told by."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from fairlead.specs.capacity import NotRead

_SHOWN = 20


def print_gaps(gaps: Sequence[NotRead], *, beside: bool = False) -> None:
    """Print what could not be read, or is counted otherwise than it is; the first ones where there are many.

    Args:
        gaps: What that is.
        beside: Whether standard output has a table for other programs, so that it goes to standard error.
    """
    stream: TextIO = sys.stderr if beside else sys.stdout
    if gaps:
        print("" if beside else "\n", "not read, or counted otherwise", sep="", file=stream)
        for gap in gaps[:_SHOWN]:
            print(f"  {gap.what}: {gap.why}", file=stream)
        if len(gaps) > _SHOWN:
            print(f"  and {len(gaps) - _SHOWN} more: -o json has them all", file=stream)
