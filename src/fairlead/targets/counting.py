"""How many pods a run makes, as far as its graph says."""

from __future__ import annotations

from typing import NamedTuple

from fairlead.specs.graphs import Graph
from fairlead.specs.runtimes import ClusterRuntime, GangRuntime, node_count
from fairlead.specs.steps import DriverStep, Step, SweepStep


class PodCount(NamedTuple):
    """The pods of a run in which nothing is tried again, skipped or found in the cache.

    Attributes:
        steps: Pods that run steps: one each, of a gang one for each node.
        drivers: Pods of dynamic flows and sweeps.
        waiting: Pods that wait for a gang.
        creators: Pods that create the workflows of parts, where a graph or a list is too large for one.
        lists: Mapped nodes whose number of items is known at run time only; they count as one item.
        dynamic: Dynamic flows, whose calls are known at run time only; they are not counted.
        layers: Pods that install packages, once; none where those are in the store.
    """

    steps: int = 0
    drivers: int = 0
    waiting: int = 0
    creators: int = 0
    lists: int = 0
    dynamic: int = 0
    layers: int = 0

    @property
    def total(self) -> int:
        """All pods, with the last one, which writes down how the run ended."""
        return self.steps + self.drivers + self.waiting + self.creators + self.layers + 1

    @property
    def is_exact(self) -> bool:
        """Whether the graph says it all."""
        return not self.lists and not self.dynamic

    def __str__(self) -> str:
        parts = [
            (self.steps, "of steps"),
            (self.drivers, "of drivers"),
            (self.waiting, "waiting for gangs"),
            (self.creators, "creating parts"),
            (self.layers, "to install packages"),
            (1, "to finish"),
        ]
        listed = ", ".join(f"{count} {what}" for count, what in parts if count)
        return f"{'' if self.is_exact else 'at least '}{self.total} pods: {listed}"

    def plus(self, other: PodCount, times: int = 1) -> PodCount:
        """Return both together."""
        return PodCount(*(own + times * added for own, added in zip(self, other, strict=True)))


def count_pods(graph: Graph, *, creators: int = 0, layers: int = 0) -> PodCount:
    """Count the pods of a run.

    Args:
        graph: Its graph.
        creators: How many create the workflows of parts.
        layers: How many install packages.
    """
    found = PodCount(creators=creators, layers=layers)
    for node in graph.nodes:
        times = node.count if node.each and node.count is not None else 1
        found = found.plus(_pods_of(graph, graph.step_of(node)), times)
        if node.each and node.count is None:
            found = found.plus(PodCount(lists=1))
    return found


def _pods_of(graph: Graph, step: Step) -> PodCount:
    if isinstance(step, SweepStep) and not isinstance(step.runtime, ClusterRuntime):
        trial = graph.steps.get(step.trial)
        own = PodCount(drivers=1)
        return own.plus(_pods_of(graph, trial), step.trials) if trial is not None and trial is not step else own
    if isinstance(step, DriverStep):
        return PodCount(drivers=1, dynamic=1)
    return PodCount(steps=node_count(step.runtime), waiting=int(isinstance(step.runtime, GangRuntime)))
