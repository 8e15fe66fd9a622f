"""A cluster while pods come and go: where a policy places each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairlead.planner.demands import Demands, Floats
from fairlead.planner.fragmentation import Fragmentation
from fairlead.planner.nodes import Node, models_of
from fairlead.planner.policies.policy import Policy
from fairlead.planner.states import NodeState


class Place(NamedTuple):
    """Where a pod is: the index of its node, those of the GPUs that it has a part of, and where its instance begins."""

    node: int
    devices: tuple[int, ...]
    start: int | None = None


class Cluster:
    """Nodes, and the scores that a policy gives them for every demand: [demands, nodes].

    Attributes:
        nodes: The nodes.
        used: What pods have of GPUs, in thousandths of one.
        left: What each node has left of its GPUs, likewise; nothing where it takes no pod.
        fragmented: What is free, but of no use to the typical workload.
    """

    def __init__(self, nodes: Sequence[Node], demands: Demands, policy: Policy, fragmentation: Fragmentation) -> None:
        models = models_of(nodes)
        self._demands = demands
        self._policy = policy
        self._fragmentation = fragmentation
        self.nodes = [NodeState(each, models) for each in nodes]
        self._scores: Floats = np.empty((len(demands), len(nodes)))
        self._fragmented = [0.0] * len(nodes)
        self.left = np.array([node.gpu_left for node in self.nodes], dtype=np.int64)
        self.used = 0
        self.fragmented = 0.0
        alike: dict[tuple[object, ...], int] = {}
        for index, node in enumerate(self.nodes):
            first = alike.setdefault((node.cpu_left, node.memory_left, node.state, nodes[index].cut), index)
            if first == index:
                self._weigh(index)
            else:
                self._scores[:, index] = self._scores[:, first]
                self._fragmented[index] = self._fragmented[first]
                self.fragmented += self._fragmented[first]

    def place(self, demand: int, among: NDArray[np.bool_] | None = None) -> Place | None:
        """Find a place for a pod; None where no node can take it.

        Args:
            demand: What it asks for.
            among: Which nodes it may be on; None for all.
        """
        scores = self._scores[demand] if among is None else np.where(among, self._scores[demand], -np.inf)
        index = self._policy.choose(scores) if scores.max() > -np.inf else None
        if index is None:
            return None
        node, asked = self.nodes[index], self._demands.all[demand]
        if asked.profile:
            chosen = self._policy.instance(node, asked.profile)
            node.place_instance(asked, chosen)
            place = Place(index, (chosen.gpu,), chosen.instance.start)
        else:
            place = Place(index, node.place(asked, self._policy.device(node, demand) if asked.shares else None))
        self.used += asked.total_gpu_millis
        self._weigh(index)
        return place

    def remove(self, demand: int, place: Place) -> None:
        """Take a pod away again."""
        asked = self._demands.all[demand]
        self.nodes[place.node].remove(asked, place.devices, place.start)
        self.used -= asked.total_gpu_millis
        self._weigh(place.node)

    def close(self, index: int) -> None:
        """Have a node take no pod from now on: what it has is not free. No pod may be on it."""
        self._scores[:, index] = -np.inf
        self.left[index] = 0
        self.fragmented -= self._fragmented[index]
        self._fragmented[index] = 0.0

    def open(self, index: int) -> None:
        """Have a node take pods again."""
        self._weigh(index)

    def _weigh(self, index: int) -> None:
        node = self.nodes[index]
        self.left[index] = node.gpu_left
        self._scores[:, index] = np.where(self._demands.fit(node), self._policy.scores(node), -np.inf)
        now = self._fragmentation.amount(node)
        self.fragmented += now - self._fragmented[index]
        self._fragmented[index] = now
