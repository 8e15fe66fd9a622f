"""The Python function that stands for a task's step."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from fairlead.packaging.project import Project
from fairlead.specs import steps as specs
from fairlead.specs.runtimes import Ray
from fairlead.worker.channel import Talk
from fairlead.worker.running import find_function
from fairlead.worker.tasks import WorkerTask


class Modules:
    """Imports the project's modules by name."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.root = str(project.root)

    def __call__(self, name: str) -> Any:
        """Import a module."""
        return import_module(self.project.module if name == "__main__" else name)


def function_of(task: WorkerTask, modules: Modules, connection: Callable[[], Talk]) -> Callable[..., Any]:
    """Return what a task calls: the user's function, or what drives, sweeps or contains.

    Args:
        task: The task.
        modules: Its project's modules.
        connection: Returns the channel to whoever runs what a driver calls.
    """
    match task.step:
        case specs.FunctionStep():
            return find_function(task.step, modules)
        case specs.DriverStep():
            from fairlead.worker.driving import driven  # lazy: used by dynamic flows only

            return driven(task, find_function(task.step, modules), connection(), modules.project)
        case specs.SweepStep():
            return sweep_of(task, modules, connection)
        case specs.ContainerStep():
            from fairlead.worker.containers import contained  # lazy: subprocess, 8 ms

            return contained(task)


def sweep_of(task: WorkerTask, modules: Modules, connection: Callable[[], Talk]) -> Callable[..., Any]:
    """Return what runs the sweep that a task is: Ray Tune where it has a cluster of Ray, else a driver of trials."""
    if isinstance(task.step.runtime, Ray):
        from fairlead.worker.tuning import tuned  # lazy: Ray and Optuna, seconds

        return tuned(task, modules.project.module)
    from fairlead.worker.sweeping import swept  # lazy: Optuna, 600 ms

    return swept(task, connection())
