"""What every engine promises: one contract, held by the conformance suite of ``fairlead.testing``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from fairlead.errors import Fault
from fairlead.specs.graphs import Graph
from fairlead.specs.status import RunStatus
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import RunSpec


class Observer(Protocol):
    """Is told what happens while it happens. Every method must return quickly."""

    def started(self, spec: RunSpec, progress: Progress) -> None:
        """The run begins, or goes on."""

    def changed(self, instance: Instance) -> None:
        """An instance has another status."""

    def progressed(self, instance: Instance, done: float, total: float | None) -> None:
        """A step has told how far it is."""

    def logged(self, instance: Instance, values: dict[str, float]) -> None:
        """A step has logged values."""

    def noted(self, message: str) -> None:
        """Something the user should know, once."""


class Engine(Protocol):
    """Starts and watches the work of one run at a time.

    Killing an engine at any moment loses no record: `drive` on the same run, after a new claim, goes on. It
    executes no completed step again. An engine owns the processes or objects it starts, and no others.
    """

    def faults(self, graph: Graph) -> Iterable[Fault]:
        """Yield what can never run here, before anything starts: a resource that is lacking, a runtime."""

    def drive(self, spec: RunSpec, progress: Progress, observer: Observer) -> RunStatus:
        """Run what is left of a run until nothing is, and return its status."""
