"""The clock of a server, as it dates its answers: to a second each, and together to the time that one takes."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime


class ServerClock:
    """The time by a server's clock, which goes back only where the server's does. Threads share it.

    A date tells that the server's clock was in that second at some moment between the question and the answer. What
    all of them allow is kept, as what is dated by the last one alone may come before what was dated earlier.
    """

    def __init__(self) -> None:
        self._ahead: float | None = None

    def take(self, date: str, sent: float, received: float) -> None:
        """Take in the date of an answer.

        Args:
            date: The header; what is no date says nothing.
            sent: When the question was sent, by this machine's monotonic clock.
            received: When the answer's head had come, likewise.
        """
        try:
            said = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        least, most = said - received, said + 1 - sent
        if self._ahead is None or not least <= self._ahead < most:
            self._ahead = least

    def now(self) -> float:
        """Return the time in seconds since 1970; this machine's where no answer was dated."""
        return time.time() if self._ahead is None else time.monotonic() + self._ahead
