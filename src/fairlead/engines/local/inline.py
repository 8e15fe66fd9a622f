"""Steps in the calling process, one after another, for a debugger: what ``--inline`` asks for.

The same loop drives them. Where it would wait for processes, the next task is run instead; and where the
body of a dynamic flow waits for a step, the loop is turned from there.
"""

from __future__ import annotations

import os
import resource
from collections import deque
from collections.abc import Callable
from typing import Any

from fairlead.specs import steps as specs
from fairlead.store.opening import open_backend
from fairlead.worker.functions import Modules, sweep_of
from fairlead.worker.running import environment_of, find_function, run_task, seed_of
from fairlead.worker.seeding import seed_everything
from fairlead.worker.tasks import Exited, FromWorker, ProjectCode, WorkerTask
from fairlead.worker.template import load_project, sharing_checkpoints
from fairlead.worker.usage import MAXRSS_BYTES


class InlineProcesses:
    """Has the interface of `Processes`, and no process.

    Args:
        code: Where the project is.
        turn: Turns the engine's loop once.
    """

    forks_ready_code = True
    why_not = ""
    folder = None
    ready = True

    def __init__(self, code: ProjectCode, turn: Callable[[], None]) -> None:
        self._modules: Modules = load_project(code)
        self._turn = turn
        self._queue: deque[WorkerTask] = deque()
        self._events: deque[FromWorker] = deque()
        self._inboxes: dict[int, deque[Any]] = {}
        self._serial = 0
        self._woken = 0
        self.pids: dict[int, int] = {}

    def launch(self, make: Callable[[int], WorkerTask]) -> int:
        """Queue a task."""
        self._serial += 1
        self._queue.append(make(self._serial))
        return self._serial

    def keep_waiting(self, count: int) -> None:
        """There is nothing to keep."""

    def signal(self, identity: int, number: int) -> None:
        """Drop a task that has not begun; one that has can't be stopped from here."""
        for task in [each for each in self._queue if each.id == identity]:
            self._queue.remove(task)
            self._events.append(Exited(id=identity, status=number, peak_memory_bytes=0, cpu_s=0.0))

    def send(self, identity: int, message: Any) -> None:
        """Leave a message for a dynamic flow or sweep."""
        self._inboxes.setdefault(identity, deque()).append(message)

    def wait(self, timeout_s: float) -> list[FromWorker]:
        """Run the next task, and return what it said and how it ended."""
        if not self._events and self._queue:
            self._run(self._queue.popleft())
        found = list(self._events)
        self._events.clear()
        return found

    def wake(self) -> None:
        """Let the step that runs end by itself, and break it off the second time."""
        self._woken += 1
        if self._woken > 1:
            raise KeyboardInterrupt

    def close(self) -> None:
        """There is nothing to close."""

    def _run(self, task: WorkerTask) -> None:
        before = dict(os.environ)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        os.environ.update(environment_of(task))
        seed_everything(seed_of(task))
        try:
            backend = open_backend(task.store)
            saved = sharing_checkpoints(backend, task)
            done = run_task(task, self._function(task), backend, self._events.append, self._modules.root, saved)
        finally:
            os.environ.clear()
            os.environ.update(before)
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
        peak = after.ru_maxrss * MAXRSS_BYTES
        self._events.append(Exited(id=task.id, status=0 if done else 1 << 8, peak_memory_bytes=peak, cpu_s=cpu_s))

    def _function(self, task: WorkerTask) -> Callable[..., Any]:
        match task.step:
            case specs.DriverStep():
                from fairlead.worker.driving import driven  # lazy: used by dynamic flows only

                return driven(
                    task, find_function(task.step, self._modules), _Inbox(self, task.id), self._modules.project
                )
            case specs.SweepStep():
                return sweep_of(task, self._modules, lambda: _Inbox(self, task.id))
            case specs.ContainerStep():
                from fairlead.worker.containers import contained  # lazy: subprocess, 8 ms

                return contained(task)
            case _:
                return find_function(task.step, self._modules)


class _Inbox:
    """A dynamic flow's connection to the loop that it runs in."""

    def __init__(self, processes: InlineProcesses, identity: int) -> None:
        self._processes = processes
        self._id = identity

    def send(self, message: Any) -> None:
        self._processes._events.append(message)

    def receive(self) -> Any:
        """Turn the loop until there is a message."""
        inbox = self._processes._inboxes.setdefault(self._id, deque())
        while not inbox:
            self._processes._turn()
        return inbox.popleft()
