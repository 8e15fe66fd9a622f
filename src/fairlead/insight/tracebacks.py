"""Which lines of a log tell of the exception that ended a program: what was only logged on the way is none of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_BEGIN = "Traceback (most recent call last)"
_CHAINED = ("The above exception was the direct cause", "During handling of the above exception")
_NOT_UNCAUGHT = ("Exception ignored in", "--- Logging error ---")
REPEATS = (
    r"\b(ChildFailedError|CalledProcessError|ProcessRaisedException|ProcessExitedException|SystemExit)\b|"
    r"see root cause above|core initialization failed"
)
"""What is raised by whoever has started another process, that raised before: it does not say why."""


class _Block(NamedTuple):
    """A traceback: its first line, and the one that names the exception."""

    first: int
    last: int


def ending(lines: Sequence[str]) -> range | None:
    """Return the lines of the last exception and of those that it was raised from; None where there is none."""
    blocks = list(_blocks(lines))
    own = [each for each in blocks if not re.search(REPEATS, lines[each.last], re.IGNORECASE)]
    if not own:
        return None
    first, last = own[-1]
    for before in (*reversed(own[:-1]), _Block(0, 0)):  # a log's beginning may be cut off
        if not any(line.strip().startswith(_CHAINED) for line in lines[before.last : first]):
            break
        first = before.first
    return range(first, last + 1)


def _blocks(lines: Sequence[str]) -> Iterator[_Block]:
    for number, line in enumerate(lines):
        before = lines[number - 1] if number else ""
        if _BEGIN in line and not any(word in before for word in _NOT_UNCAUGHT):
            indent = line.index(_BEGIN)  # a rank or a time may stand before each line
            for other in range(number + 1, len(lines)):
                rest = lines[other][indent:]
                if rest.strip() and not rest[0].isspace():
                    yield _Block(number, other)
                    break
