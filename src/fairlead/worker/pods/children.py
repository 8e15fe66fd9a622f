"""The child process that holds the user's function: its output passed on and kept, its end described.

The pod's own process stays apart from the user's code, so that it outlives a crash, a kill for memory or
``os._exit`` and can say what happened.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from types import FrameType
from typing import BinaryIO, NamedTuple

import msgspec

from fairlead.worker.tasks import WorkerTask

GRACE_S = 20.0
"""How long the child has to end by itself after it was asked to: less than the 30 s that a pod has by default."""

START = "FAIRLEAD_START"
"""The variable that names the script by which this package was started, where it is not installed."""

_TAIL_LINES = 20
_BLOCK = 64 << 10


class Death(NamedTuple):
    """How a child ended that did not end well.

    Attributes:
        kind: One word, as in other records: ``Exit``, ``Signal``, ``Memory``, ``Timeout``, ``Evicted``.
        evicted: Whether the pod was asked to end, and the child with it.
        tail: The last lines it wrote.
    """

    kind: str
    message: str
    started: float
    exit_code: int | None
    signal: int | None
    evicted: bool
    tail: tuple[str, ...]
    peak_memory_bytes: int
    cpu_s: float


def starting(module: str) -> list[str]:
    """Return the command that runs a module of this package: by the script that it was delivered with, if any."""
    script = os.environ.get(START)
    return [sys.executable, script, module] if script else [sys.executable, "-m", module]


def run_child(task: WorkerTask, log: Path, work: Path, *, timeout_s: float | None) -> Death | None:
    """Run a task in a process of its own, and wait for its end.

    Args:
        task: What to do.
        log: The file that takes a copy of all it writes.
        work: A folder for the task's description.
        timeout_s: How long it may take, or None.

    Returns:
        None where it ended well, else how it ended.
    """
    return _Child(task, log, work, timeout_s).wait()


class _Child:
    def __init__(self, task: WorkerTask, log: Path, work: Path, timeout_s: float | None) -> None:
        description = work / "task"
        description.write_bytes(msgspec.msgpack.encode(task))
        self._timeout_s = timeout_s
        self._started = time.time()
        self._killed_for = ""
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._timer: threading.Timer | None = None
        self._log: BinaryIO = open(log, "wb")  # noqa: SIM115  # closed when the child has ended
        self._process = subprocess.Popen(
            [*starting("fairlead.worker.pods.process"), str(description)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self) -> Death | None:
        previous = signal.signal(signal.SIGTERM, self._asked_to_end)
        if self._timeout_s is not None:
            self._end_after(self._timeout_s, "timeout")
        try:
            self._pass_on()
            status = self._process.wait()
        finally:
            signal.signal(signal.SIGTERM, previous)
            if self._timer is not None:
                self._timer.cancel()
            self._log.close()
        return None if status == 0 else self._describe(status)

    def _pass_on(self) -> None:
        """Write what the child writes to this pod's output and to the log, until nobody can write any more."""
        assert self._process.stdout is not None
        own = sys.stdout.buffer
        while block := self._process.stdout.read1(_BLOCK):  # type: ignore[attr-defined]  # a buffered reader
            own.write(block)
            own.flush()
            self._log.write(block)
            self._log.flush()
            self._tail.extend(block.decode("utf-8", "replace").splitlines())

    def _asked_to_end(self, number: int, frame: FrameType | None) -> None:
        self._stop("evicted")

    def _end_after(self, seconds: float, why: str) -> None:
        self._timer = threading.Timer(seconds, self._stop, (why,))
        self._timer.daemon = True
        self._timer.start()

    def _stop(self, why: str) -> None:
        """Ask the child to end, and kill it where it does not in time."""
        self._killed_for = self._killed_for or why
        self._signal(signal.SIGTERM)
        killer = threading.Timer(GRACE_S, self._signal, (signal.SIGKILL,))
        killer.daemon = True
        killer.start()

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _describe(self, status: int) -> Death:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        number = -status if status < 0 else None
        kind, message = self._cause(number, status)
        return Death(
            kind=kind,
            message=message,
            started=self._started,
            exit_code=None if status < 0 else status,
            signal=number,
            evicted=self._killed_for == "evicted",
            tail=tuple(self._tail),
            peak_memory_bytes=usage.ru_maxrss * 1024,
            cpu_s=usage.ru_utime + usage.ru_stime,
        )

    def _cause(self, number: int | None, status: int) -> tuple[str, str]:
        if self._killed_for == "timeout":
            return "Timeout", f"took longer than its timeout of {self._timeout_s:g} s"
        if self._killed_for == "evicted":
            return "Evicted", "the pod was asked to end: it was evicted, preempted or deleted"
        if number == signal.SIGKILL:
            return (
                "Memory",
                "the process was killed by signal 9 (SIGKILL), most likely for want of memory",
            )
        if number is not None:
            return "Signal", f"the process was killed by signal {number} ({signal.Signals(number).name})"
        return "Exit", f"the process ended with exit code {status} before the step returned"
