"""Times: in documents, and as users write them."""

from __future__ import annotations

from datetime import datetime, timedelta

from fairlead.errors import UsageError
from fairlead.naming import UTC, parse_time
from fairlead.quantities import parse_duration


def seconds_between(started: str | None, finished: str | None) -> float | None:
    """Return the seconds between two ISO 8601 times, or None where one is missing.

    It is 0 where the clocks of two machines put the end before the beginning.
    """
    if started is None or finished is None:
        return None
    return max(0.0, (parse_time(finished) - parse_time(started)).total_seconds())


def parse_moment(text: str, now: datetime, *, option: str) -> datetime:
    """Read a moment: a time ago (``2h``, ``1d12h``), or an ISO 8601 date or time, in local time where it has no zone.

    Args:
        text: What the user wrote.
        now: The present moment, with its zone.
        option: The option's name, for the message.

    Raises:
        UsageError: It is neither.
    """
    try:
        return now - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        pass
    try:
        return parse_time(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{option} takes a time ago or a date, got {text!r}",
            next="write 2h, 1d12h, 2026-11-23 or 2026-11-23T14:00:00Z",
        ) from error
