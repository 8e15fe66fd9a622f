"""When a flow runs by itself: a schedule, and what a cron expression can be.

The expressions are those that Argo Workflows reads, which has no seconds, no years and no seventh day of the week.
Source: https://argo-workflows.readthedocs.io/en/release-3.7/cron-workflows/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import msgspec

from fairlead.errors import Fault, nearest

Concurrency = Literal["allow", "forbid", "replace"]
"""What becomes of a start while an earlier one's run goes on: both run, the new one is left out, the old one ends."""

NAME_LENGTH_MAX = 52
"""The longest name of a schedule: Argo puts eleven characters behind it for each start."""

_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_EVERY = re.compile(r"@every (?:[0-9]+(?:\.[0-9]+)?(?:ms|h|m|s))+", re.ASCII)
_SHORT = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a flow runs by itself.

    Attributes:
        name: The schedule's name.
        cron: When: five fields, ``@daily`` and its like, or ``@every 6h``.
        timezone: The time zone of `cron`, as the IANA database names it.
        concurrency: What becomes of a start while the run of an earlier one goes on.
        deadline_s: How many seconds late a start may be, when the cluster was away; None: it is left out then.
        suspended: Whether it starts nothing for now.
        kept: How many launches that succeeded are kept in the cluster; None for its own habit.
        kept_failed: How many that did not.
    """

    name: str
    cron: str
    timezone: str = "UTC"
    concurrency: Concurrency = "allow"
    deadline_s: int | None = None
    suspended: bool = False
    kept: int | None = None
    kept_failed: int | None = None


def schedule_faults(schedule: Schedule) -> Iterator[Fault]:
    """Yield what is wrong with a schedule, with paths."""
    if fault := schedule_name_fault(schedule.name):
        yield Fault("name", fault)
    if fault := cron_fault(schedule.cron):
        yield Fault("cron", fault)
    if fault := timezone_fault(schedule.timezone):
        yield Fault("timezone", fault)
    for name, number in (
        ("deadline", schedule.deadline_s), ("kept", schedule.kept), ("kept_failed", schedule.kept_failed)
    ):  # fmt: skip
        if number is not None and number < 0:
            yield Fault(name, f"must be at least 0, got {number}")


def schedule_name_fault(name: str) -> str | None:
    """Say why a text can't name a schedule, or None where it can."""
    if not _NAME.fullmatch(name) or len(name) > NAME_LENGTH_MAX:
        return f"is at most {NAME_LENGTH_MAX} lower-case letters, digits and '-', a letter first; got {name!r}"
    return None


def timezone_fault(name: str) -> str | None:
    """Say why a text names no time zone, or None where it does, or this machine has no list of them."""
    from zoneinfo import available_timezones  # lazy: zoneinfo, 5 ms; only where a schedule is made

    known = available_timezones()
    return None if name in known or not known else f"there is no time zone {name!r}; {nearest(name, known)}"


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    words: Mapping[str, int] = {}


_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, {word: number for number, word in enumerate(_MONTHS, 1)}),
    _Field("day of the week", 0, 6, {word: number for number, word in enumerate(_DAYS)}),
)


def cron_fault(text: str) -> str | None:
    """Say why a text is no cron expression, or None where it is one."""
    if text.startswith("@"):
        if text in _SHORT or _EVERY.fullmatch(text):
            return None
        return f"{text!r} is none of {', '.join(_SHORT)}, '@every 6h'"
    if "TZ=" in text:
        return "has no time zone of its own: it is given beside it, as the timezone"
    parts = text.split()
    if len(parts) != len(_FIELDS):
        names = ", ".join(field.name for field in _FIELDS)
        return f"has {len(_FIELDS)} fields ({names}), as in '0 3 * * *'; {text!r} has {len(parts)}"
    faults = (_field_fault(part, field) for part, field in zip(parts, _FIELDS, strict=True))
    return next((fault for fault in faults if fault), None)


def _field_fault(text: str, field: _Field) -> str | None:
    for item in text.split(","):
        reach, slash, step = item.partition("/")
        if slash and not (step.isdecimal() and int(step) > 0):
            return f"the step of the {field.name} {item!r} is no number from 1"
        if reach in ("*", "?"):
            continue
        ends = [_number(end, field) for end in reach.split("-")]
        if None in ends or len(ends) > 2 or ends[0] > ends[-1]:  # type: ignore[operator]  # none of them is None
            words = f", or {', '.join(field.words)}" if field.words else ""
            return f"the {field.name} {item!r} is no number or range of {field.least} to {field.most}{words}"
    return None


def _number(text: str, field: _Field) -> int | None:
    """Return the number that an end of a range stands for, or None where it stands for none."""
    number = int(text) if text.isdecimal() and text.isascii() else field.words.get(text.lower())
    return number if number is not None and field.least <= number <= field.most else None
