"""The process of a task in a pod: ``python -m fairlead.worker.pods.process TASK``, where TASK describes it."""

from __future__ import annotations

import faulthandler
import sys
from pathlib import Path
from typing import Any

import msgspec

from fairlead.packaging.arriving import open_project
from fairlead.packaging.loading import import_project
from fairlead.store.opening import open_backend
from fairlead.worker.running import find_function, run_task, set_up_process
from fairlead.worker.tasks import WorkerTask
from fairlead.worker.template import Modules, leave


def main(path: str) -> int:
    """Run the task that a file describes; 0 where it succeeded."""
    task = msgspec.msgpack.decode(Path(path).read_bytes(), type=WorkerTask)
    set_up_process(task)
    faulthandler.enable()
    assert task.code.package is not None
    project = open_project(Path(task.code.package).read_bytes(), Path(task.code.file))
    import_project(project)
    modules = Modules(project)
    function = find_function(task.step, modules)
    return int(not run_task(task, function, open_backend(task.store), _ignore, modules.root))


def _ignore(message: Any) -> None:
    """Nobody listens: what a step logs stands in its record."""


if __name__ == "__main__":
    leave(main(sys.argv[1]))
