"""Ending what tasks have started and left behind, also where whoever should do that was killed itself.

A task leads a session, and has a mark in its environment; what it starts is in that session, or inherits the
mark, or both. Beside the template a guard waits for its death, and ends what is left then. What gave up both, a
fork that calls ``setsid`` and executes no other program, is known to the template only, which adopts it.

Where there is no ``/proc``, the sessions of living tasks are all that the template can end.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import NamedTuple

VARIABLE = "FAIRLEAD_PROCESS"
"""The variable with a task's mark: the channel, the template and the task's number."""

_NUMBER = struct.Struct("i")
_TASKS_MAX = 4096
"""Tasks at once whose sessions the guard knows; it knows all others by their mark."""
_PAUSE_S = 0.005
_PATIENCE_S = 5.0


class Process(NamedTuple):
    """A living process of this machine."""

    pid: int
    parent: int
    session: int

    @property
    def mark(self) -> str:
        """The mark that its program was started with; empty where it has none."""
        try:
            with open(f"/proc/{self.pid}/environ", "rb") as file:
                _, found, rest = (b"\0" + file.read()).partition(f"\0{VARIABLE}=".encode())
        except OSError:  # ended since, or another user's
            return ""
        return rest.partition(b"\0")[0].decode(errors="replace") if found else ""


class Guard:
    """A small process that outlives the template, and ends what it has left; made before anything is imported.

    It sleeps until then, and finds the sessions of living tasks in memory that both share: nothing is sent.

    Args:
        mark: With what the marks of the template's tasks begin.
        close: Closes, in the guard, what it must not hold open.
    """

    def __init__(self, mark: str, close: Callable[[], None]) -> None:
        self._table = mmap.mmap(-1, _NUMBER.size * _TASKS_MAX)
        self._free = list(range(_TASKS_MAX))
        self._places: dict[int, int] = {}
        read, self._write = os.pipe()  # closed in what executes another program
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                os.close(self._write)
                close()
                os.read(read, 1)  # nothing is ever written: it ends when the template does
                end_left(mark, {number for (number,) in _NUMBER.iter_unpack(self._table)} - {0})
            finally:
                os._exit(0)
        os.close(read)

    def note_begin(self, pid: int) -> None:
        """Note a task's process, which leads a session."""
        if self._free:
            place = self._places[pid] = self._free.pop()
            _NUMBER.pack_into(self._table, place * _NUMBER.size, pid)

    def note_end(self, pid: int) -> None:
        """Note that a task has ended: its number may become another process's."""
        place = self._places.pop(pid, None)
        if place is not None:
            _NUMBER.pack_into(self._table, place * _NUMBER.size, 0)
            self._free.append(place)

    def leave(self) -> None:
        """Forget the guard, in a forked task, which it must not wait for."""
        os.close(self._write)

    def dismiss(self) -> None:
        """End the guard: there is nothing left to be ended."""
        kill(self.pid)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def end_left(mark: str, sessions: Collection[int]) -> None:
    """Kill every process of some sessions or with a mark, and what they start meanwhile, until none is left."""
    until = time.monotonic() + _PATIENCE_S
    while left := [each for each in processes() if each.session in sessions or each.mark.startswith(mark)]:
        for each in left:
            kill(each.pid)
        if time.monotonic() >= until:
            return
        time.sleep(_PAUSE_S)


def kill(pid: int) -> None:
    """Kill a process, unless it has ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def processes() -> Iterator[Process]:
    """Yield every living process but this one; nothing where there is no ``/proc``."""
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit() and int(name) != os.getpid():
            with suppress(OSError):  # ended since
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, parent, _, session = file.read().rpartition(b")")[2].split()[:4]
                if state not in (b"Z", b"X"):
                    yield Process(int(name), int(parent), int(session))
