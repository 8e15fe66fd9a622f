"""A process that is forked while its parent has one thread and nothing open, and waits until it is given a task.

It has imported what its parent has, so that a pod starts Python once and not twice: on half a core that is half a
second. It ends by itself where its parent does without having given it one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, NoReturn

from fairlead.worker.ending import leave
from fairlead.worker.forking import why_not_forkable

_LONGEST_PAUSE_S = 0.05


@contextmanager
def spared(module: str) -> Iterator[Spare | None]:
    """Have such a process; None where this one can't be forked, as an image starts threads in every Python."""
    if why_not_forkable():
        yield None
        return
    with Spare(module) as spare:
        yield spare


class Spare:
    """A process to be, with the interface of `subprocess.Popen`: it leads a session, and writes to a pipe of its own.

    Make it in the main thread, before another one is started and before any file is opened.

    Args:
        module: Whose ``main`` it runs, with the path of a task's description; it returns the exit code.
    """

    def __init__(self, module: str) -> None:
        orders, order = os.pipe()
        output, written = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(order)
            os.close(output)
            _serve(module, orders, written)
        os.close(orders)
        os.close(written)
        self.stdout: BinaryIO = os.fdopen(output, "rb")
        self._order = os.fdopen(order, "wb")
        self._module = module
        self._status: int | None = None

    def __enter__(self) -> Spare:
        return self

    def __exit__(self, *raised: object) -> None:
        """Have it end where it was given nothing to do."""
        if not self._order.closed:
            self._order.close()
            self.wait()

    def give(self, description: Path) -> None:
        """Have it do the task that a file describes."""
        with self._order:
            self._order.write(os.fsencode(description))

    def poll(self) -> int | None:
        """Return its exit code, negative where a signal ended it; None where it still runs."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def wait(self, timeout_s: float | None = None) -> int:
        """Return its exit code once it has ended.

        Raises:
            subprocess.TimeoutExpired: It has not after so many seconds.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        pause_s = 0.0005
        while (status := self.poll()) is None:
            if end is not None and time.monotonic() >= end:
                raise subprocess.TimeoutExpired(self._module, timeout_s or 0.0)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return status


def _serve(module: str, orders: int, written: int) -> NoReturn:
    """Be that process: nothing of its parent goes on in it, whatever happens."""
    code = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, number in ((nothing, 0), (written, 1), (written, 2)):
            os.dup2(descriptor, number)
        os.close(nothing)
        os.close(written)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  # the other may know it for a file,
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115  # and how far that was written
        found = import_module(module)  # while its parent looks what there is to do
        with os.fdopen(orders, "rb") as file:
            description = os.fsdecode(file.read())
        if not description:
            os._exit(0)
        sys.argv[:] = [module, description]
        code = found.main(description)
    except BaseException:  # the edge of the process
        traceback.print_exc()
    leave(code)
