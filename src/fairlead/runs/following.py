"""Following the logs of a run while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from fairlead.runs.finding import Target
from fairlead.runs.logs import BLOCK, Log, fits, in_order, list_tasks
from fairlead.runs.reporting import is_driven
from fairlead.store.layout import Task
from fairlead.store.opened import Store

PAUSE_S = 0.1
"""Seconds between two looks at the logs; with many logs more, so that looking takes a tenth of the time."""
PAUSE_MAX_S = 0.4
_LISTING_S = 2.0
"""Seconds between two listings of a remote store."""
_ALIVE_S = 0.5
"""Seconds between two looks at the driver."""


def follow(
    store: Store,
    target: Target,
    starts: dict[Task, int],
    *,
    attempt: int | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[Log, bytes]]:
    """Yield what logs contain from their starts on, and what is written to them and to new ones, until the run ends.

    Args:
        store: The store.
        target: The run, and the step, index and rank where only theirs are wanted.
        starts: Where to begin in logs that are known, in the order of first reading.
        attempt: The number of the attempt, where not all are wanted.
        sleep: Waits; for tests.
    """
    watched = Watched(store, target, starts, attempt)
    looked = -_ALIVE_S
    driven = True
    while driven:
        begun = time.monotonic()
        if begun - looked >= _ALIVE_S:
            looked, driven = begun, is_driven(store.backend, target.run)
        yield from watched.news(whole=not driven)
        if driven:
            took = time.monotonic() - begun
            sleep(min(max(PAUSE_S, 10 * took), PAUSE_MAX_S))


class Watched:
    """The logs that are followed, and how far each was read."""

    def __init__(self, store: Store, target: Target, starts: dict[Task, int], attempt: int | None) -> None:
        self._store = store
        self._target = target
        self._attempt = attempt
        self._logs = {task: Log(store, target.run, task) for task in starts}
        self._places = dict(starts)
        self._listed = time.monotonic()

    def news(self, *, whole: bool) -> Iterator[tuple[Log, bytes]]:
        """Yield what has come since the last call; with `whole` a remote store is asked in any case."""
        remote = not self._store.is_folder and (whole or time.monotonic() - self._listed >= _LISTING_S)
        for task in sorted(list_tasks(self._store, self._target.run, remote=remote) - self._logs.keys(), key=in_order):
            if fits(task, self._target, self._attempt):
                self._logs[task] = Log(self._store, self._target.run, task)
                self._places[task] = 0
        if remote:
            self._listed = time.monotonic()
        for task, log in self._logs.items():
            while block := log.read(self._places[task], BLOCK):
                self._places[task] += len(block)
                yield log, block
                if len(block) < BLOCK:
                    break
