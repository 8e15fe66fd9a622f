"""Programs in a terminal, as a person sits at one: keys, what is on the screen, another size, Ctrl-C."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_BEGIN = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A terminal with a program in it."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self._ours, self._theirs = pty.openpty()
        self.resize(80, 24)
        self.settings = self.current_settings()
        self.seen = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BEGIN, *words],
            stdin=self._theirs, stdout=self._theirs, stderr=self._theirs,
            start_new_session=True, env={**environment, "TERM": "dumb"}, cwd=folder,
        )  # fmt: skip

    def current_settings(self) -> list[Any]:
        """Return how the terminal treats keys now."""
        return termios.tcgetattr(self._theirs)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, text: str, timeout_s: float = 60) -> str:
        """Wait until a text is on the screen, after what was expected before; returns all that came until then."""
        until = time.monotonic() + timeout_s
        while text.encode() not in self.seen:
            if not self._read(until):
                raise AssertionError(f"no {text!r} came; on the screen is:\n{self.seen.decode(errors='replace')}")
        found, _, self.seen = self.seen.partition(text.encode())
        return found.decode(errors="replace") + text

    def ended(self, timeout_s: float = 60) -> int:
        """Wait for the program's end; returns its exit code. What it wrote last is in `seen`."""
        until = time.monotonic() + timeout_s
        while self.process.poll() is None and time.monotonic() < until:
            self._read(min(until, time.monotonic() + 0.1))
        while self._read(time.monotonic() + 0.2):
            pass
        return self.process.wait(0.1)

    def close(self) -> None:
        """End what is left."""
        self.process.kill()
        self.process.wait(30)
        os.close(self._ours)
        os.close(self._theirs)

    def _read(self, until: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, until - time.monotonic()))
        if ready:
            self.seen += os.read(self._ours, 65536)
        return bool(ready)


@contextlib.contextmanager
def terminal(words: Sequence[str], environment: Mapping[str, str], folder: Path) -> Iterator[Terminal]:
    """Run a program in a terminal; what is left of it is killed at the end."""
    opened = Terminal(words, environment, folder)
    try:
        yield opened
    finally:
        opened.close()
