"""What running calls log reaches the driver that follows them: a sweep's pruner decides by it."""

from __future__ import annotations

import time

from fairlead.decoding import decoder
from fairlead.errors import NotFoundError
from fairlead.specs.runtimes import GangRuntime
from fairlead.store.backends import Backend
from fairlead.store.layout import Task, metrics_key
from fairlead.store.progress import Instance
from fairlead.worker.calls import Calls
from fairlead.worker.context import LoggedLine
from fairlead.worker.tasks import Logged

LOOK_S = 1.0
"""Seconds between two looks at what a call has logged: its pod puts it into the store as often."""


class Listener:
    """Reads what calls log, each line once.

    Args:
        backend: The store.
        run: The run's id.
        calls: Knows who follows a call.
    """

    def __init__(self, backend: Backend, run: str, calls: Calls) -> None:
        self._backend = backend
        self._run = run
        self._calls = calls
        self._read: dict[Task, int] = {}
        self._looked = 0.0

    def look(self) -> None:
        """Pass on what running calls have logged, if it is time to."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        for instance in self._calls.followed():
            if instance.running is not None:
                self.hear(instance, instance.running[0])
        self._looked = time.monotonic()

    def hear(self, instance: Instance, number: int) -> None:
        """Pass on what an attempt of a call has logged since it was last heard."""
        if instance not in self._calls.followed():
            return
        name = Task(
            instance.name, instance.index, number, 0 if isinstance(instance.step.runtime, GangRuntime) else None
        )
        lines, self._read[name] = logged_since(self._backend, self._run, name, self._read.get(name, 0))
        for logged in lines:
            values = {each: float(value) for each, value in logged.values.items()}
            self._calls.logged(instance, Logged(id=0, values=values, at=logged.at, time=logged.time))


def logged_since(backend: Backend, run: str, name: Task, start: int) -> tuple[list[LoggedLine], int]:
    """Return the lines that an attempt, or a rank of it, has logged since a place in them, and how far they go."""
    try:
        data = backend.get(metrics_key(run, name), start)
    except NotFoundError:  # nothing yet
        return [], start
    whole = data[: data.rfind(b"\n") + 1]
    return [decoder(LoggedLine).decode(line) for line in whole.splitlines()], start + len(whole)
