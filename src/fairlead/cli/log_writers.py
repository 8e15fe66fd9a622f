"""Ways to print logs: one as it is, several with a prefix on each line, lines as documents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from fairlead.runs.lines import Lines

if TYPE_CHECKING:
    from fairlead.runs.logs import Log
    from fairlead.store.layout import Task


class Plain:
    """Writes logs as they are, byte for byte; with a pattern only the lines that match.

    Args:
        out: Where to.
        pattern: What lines must contain, where not all are wanted.
    """

    def __init__(self, out: BinaryIO, pattern: re.Pattern[bytes] | None) -> None:
        self._out = out
        self._pattern = pattern
        self._lines: dict[Task, Lines] = {}

    def write(self, log: Log, block: bytes) -> None:
        """Write a block of a log."""
        self.put(log, self._lines.setdefault(log.task, Lines(self._pattern)).feed(block) if self.by_line else block)

    def end(self, log: Log) -> None:
        """Write what is left of a log."""
        lines = self._lines.pop(log.task, None)
        if lines is not None:
            self.put(log, lines.end())

    @property
    def by_line(self) -> bool:
        """Whether lines are looked at, and not only bytes passed on."""
        return self._pattern is not None

    def put(self, log: Log, data: bytes) -> None:
        """Write bytes that are wanted."""
        self._out.write(data)

    def close(self) -> None:
        """Write what is left."""
        self._out.flush()


class Prefixed(Plain):
    """Writes whole lines, each after the title of its log."""

    by_line = True

    def __init__(self, out: BinaryIO, pattern: re.Pattern[bytes] | None) -> None:
        super().__init__(out, pattern)
        self._open: Task | None = None  # whose line has been begun and not ended

    def put(self, log: Log, data: bytes) -> None:
        """Write lines; one that has no end yet is ended where another log's follows."""
        if not data:
            return
        prefix = f"{log.title} | ".encode()
        ends = data.endswith(b"\n")
        text = data[:-1] if ends else data
        if self._open not in (None, log.task):
            self._out.write(b"\n")
        if self._open != log.task:
            self._out.write(prefix)
        self._out.write(text.replace(b"\n", b"\n" + prefix))
        if ends:
            self._out.write(b"\n")
        self._open = None if ends else log.task

    def close(self) -> None:
        """End the last line."""
        if self._open is not None:
            self._out.write(b"\n")
        self._out.flush()


class Documents(Plain):
    """Writes a list with an object for each line, as JSON or as YAML (of which JSON is a part)."""

    by_line = True

    def __init__(self, out: BinaryIO, form: str, pattern: re.Pattern[bytes] | None) -> None:
        super().__init__(out, pattern)
        self._yaml = form == "yaml"
        self._count = 0

    def put(self, log: Log, data: bytes) -> None:
        """Write lines."""
        task = log.task
        about = {"step": task.step, "index": task.index, "attempt": task.number, "rank": task.rank}
        for line in data.removesuffix(b"\n").split(b"\n") if data else ():
            between = b"- " if self._yaml else b"[\n" if not self._count else b",\n"
            shown = msgspec.json.encode({**about, "line": line.decode(errors="backslashreplace")})
            self._out.write(between + shown + b"\n" * self._yaml)
            self._count += 1

    def close(self) -> None:
        """End the list."""
        if not self._yaml:
            self._out.write(b"\n]\n" if self._count else b"[]\n")
        elif not self._count:
            self._out.write(b"[]\n")
        self._out.flush()
