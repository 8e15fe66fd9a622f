"""Which lines of a log may tell why its program ended: not those after which it went on, nor those that only inform."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fairlead.insight.pace import AT

_BAR = re.compile(r"\d%\|")
"""A bar of tqdm."""
_BAD = re.compile(r"error|exception|traceback|fail|fatal|killed|panic", re.IGNORECASE)
_QUIET = re.compile(
    r"(?:[\[(<]?\S*\d\S*[\s,]+|[-|]\s+|[\w.]+\s+[-|:]\s+)*\[?(INFO|DEBUG|TRACE|NOTICE|WARN|WARNING)\b|[IW]\d{4}\s|"
    r".*\"(level|levelname|severity)\": ?\"(info|debug|trace|warn|warning)\"",
    re.IGNORECASE,
)
_LOUD = re.compile(r"\b(ERROR|FATAL|CRITICAL)\b|Traceback \(most|^(\[\w+\]:? )?[\w.]+(Error|Exception)\b")


def last_of(pattern: re.Pattern[str], lines: Sequence[str]) -> int | None:
    """Return which line is the last that a pattern finds and that may tell why a program ended; None for none."""
    begin = _went_on(lines)
    is_loud_after = False
    for number in range(len(lines) - 1, begin, -1):
        line = lines[number]
        if pattern.search(line) and not (is_loud_after and _QUIET.match(line)):
            return number
        is_loud_after = is_loud_after or bool(_LOUD.search(line))
    return None


def _went_on(lines: Sequence[str]) -> int:
    """Return the line up to which all is past: the last but one that says how far its program is."""
    told = 0
    for number in range(len(lines) - 1, -1, -1):
        told += bool((AT.search(lines[number]) or _BAR.search(lines[number])) and not _BAD.search(lines[number]))
        if told > 1:
            return number
    return -1
