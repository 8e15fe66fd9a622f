"""Lines of bytes out of blocks of bytes."""

from __future__ import annotations

import re

from fairlead.errors import UsageError

LINE_MAX = 1 << 20
"""Bytes of a line that are held while its end is awaited; a longer line is taken in pieces."""


def line_pattern(text: str) -> re.Pattern[bytes]:
    """Compile a pattern that lines are searched for.

    Raises:
        UsageError: It is no regular expression.
    """
    try:
        return re.compile(text.encode(errors="surrogateescape"))
    except re.error as error:
        raise UsageError(
            f"{text!r} is no regular expression", why=str(error), next="escape what is meant as it is with a backslash"
        ) from error


class Lines:
    """Turns blocks into whole lines, of which those that match a pattern are kept."""

    def __init__(self, pattern: re.Pattern[bytes] | None = None) -> None:
        self._pattern = pattern
        self._rest = b""

    def feed(self, block: bytes) -> bytes:
        """Return the lines that this block completes."""
        data = self._rest + block if self._rest else block
        end = data.rfind(b"\n") + 1
        if len(data) - end > LINE_MAX:
            end = len(data)
        self._rest = data[end:]
        return self._kept(data[:end])

    def end(self) -> bytes:
        """Return the last line, where it has no end."""
        data, self._rest = self._rest, b""
        return self._kept(data)

    def _kept(self, data: bytes) -> bytes:
        if self._pattern is None or not data:
            return data
        search = self._pattern.search
        whole, newline, last = data.rpartition(b"\n")
        kept = b"".join(line + b"\n" for line in whole.split(b"\n") if search(line)) if newline else b""
        return kept + last if last and search(last) else kept
