"""Which lines of a log may tell why its program ended: not those after which it went on, nor those that only inform."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from fairlead.insight.pace import AT
from fairlead.insight.tracebacks import ending

_BAR = re.compile(r"\d%\|")
"""A bar of tqdm."""
_BAD = re.compile(r"error|exception|traceback|fail|fatal|killed|panic", re.IGNORECASE)
_QUIET = frozenset({"INFO", "DEBUG", "TRACE", "NOTICE", "WARN", "WARNING"})
_LEVEL = re.compile(r"[IW]\d{4}\s|.{0,100}?\blevel(name)?\"?[=:] ?\"?(info|debug|trace|warn|warning)\b", re.IGNORECASE)
_APART = re.compile(r"[\s:\[\]()|,]+")
_LOUD = re.compile(r"\b(ERROR|FATAL|CRITICAL)\b|Traceback \(most|^(\[\w+\]:? )?[\w.]+(Error|Exception)\b")
_OF_RANK = re.compile(r"\[\w+\]:? [\w.]+(Error|Exception)\b")
"""An exception of one of several processes: each has a last one."""


def last_of(
    pattern: re.Pattern[str], lines: tuple[str, ...], *, often_caught: bool = False, by_signal: bool = False
) -> int | None:
    """Return which line is the last that a pattern finds and that may tell why a program ended; None for none.

    Args:
        pattern: What is looked for.
        lines: What the program wrote.
        often_caught: Whether programs often go on after it: then it counts only as a part of the exception that ended
            this one, where there is one.
        by_signal: Whether somebody ended the program: what it may have caught did not.
    """
    for number in range(len(lines) - 1, -1, -1):
        if pattern.search(lines[number]):
            log = _shape(lines)
            if number <= log.went_on:
                return None
            is_part = number in log.raised if log.raised else not by_signal
            caught = often_caught and not is_part and not _OF_RANK.match(lines[number])
            if not caught and not (number < log.loud and _only_informs(lines[number])):
                return number
    return None


class _Shape(NamedTuple):
    """Where in a log something is, by the numbers of lines; -1 for nowhere.

    Attributes:
        went_on: The last line but one that says how far the program is: up to there all is past.
        loud: The last that says by itself that it is an error.
        raised: Those of the exception that ended the program, and of those that led to it.
    """

    went_on: int
    loud: int
    raised: range


@lru_cache(8)  # every rule asks for the same few logs
def _shape(lines: tuple[str, ...]) -> _Shape:
    told = [
        number for number, line in enumerate(lines) if (AT.search(line) or _BAR.search(line)) and not _BAD.search(line)
    ]
    loud = (number for number, line in enumerate(lines) if _LOUD.search(line))
    return _Shape(told[-2] if len(told) > 1 else -1, max(loud, default=-1), ending(lines) or range(0))


def _only_informs(line: str) -> bool:
    """Say whether a line is of a low level, as it says itself at its beginning; a warning of NCCL is more than that."""
    words = _APART.split(line[:160])[:10]
    return "NCCL" not in words and (not _QUIET.isdisjoint(words) or _LEVEL.match(line) is not None)
