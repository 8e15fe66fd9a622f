"""The process of a task in a pod: ``python -m fairlead.worker.pods.process TASK``, where TASK describes it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from fairlead.errors import StoreError
from fairlead.packaging.arriving import open_project
from fairlead.packaging.loading import import_project
from fairlead.specs.steps import ContainerStep
from fairlead.worker.channel import CHANNEL, Connection
from fairlead.worker.checkpoints import keeping
from fairlead.worker.containers import commanded
from fairlead.worker.ending import leave
from fairlead.worker.failures import write_faults
from fairlead.worker.functions import Modules, function_of
from fairlead.worker.mpi import finalize
from fairlead.worker.pods.children import unkept
from fairlead.worker.pods.place import open_store
from fairlead.worker.running import run_task, set_up_process, write_lines_at_once
from fairlead.worker.tasks import WorkerTask


def main(path: str) -> int:
    """Run the task that a file describes; 0 where it succeeded."""
    task = msgspec.msgpack.decode(Path(path).read_bytes(), type=WorkerTask)
    set_up_process(task)
    write_lines_at_once()
    write_faults(all_threads=True)
    function, root = _function_of(task)
    try:
        backend = open_store(task.store)
        done = run_task(task, function, backend, _ignore, root, keeping(backend, task))
    except StoreError as error:  # there is no record: the pod's own process tries to write one, which says so
        unkept(Path(path)).write_text(str(error))
        raise
    if done and task.rank is not None:
        finalize()
    os.unlink(path)  # an end that comes before this one is a death, whatever its exit code
    return int(not done)


def _function_of(task: WorkerTask) -> tuple[Callable[..., Any], str]:
    """Return what a task calls, and the root of its project."""
    if isinstance(task.step, ContainerStep):  # whose image has nothing that the project imports
        return commanded(task), ""
    assert task.code.package is not None
    project = open_project(Path(task.code.package).read_bytes(), Path(task.code.file))
    import_project(project)
    modules = Modules(project)
    return function_of(task, modules, _connection), modules.root


def _connection() -> Connection:
    return Connection(socket.socket(fileno=int(os.environ.pop(CHANNEL))))


def _ignore(message: Any) -> None:
    """Nobody listens: the pod's own process reads what a step logs from its file."""


if __name__ == "__main__":
    leave(main(sys.argv[1]))
