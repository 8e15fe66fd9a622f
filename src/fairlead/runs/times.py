"""Times in documents."""

from __future__ import annotations

from datetime import datetime


def seconds_between(started: str | None, finished: str | None) -> float | None:
    """Return the seconds between two ISO 8601 times, or None where one is missing."""
    if started is None or finished is None:
        return None
    return (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()
