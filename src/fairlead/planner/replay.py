"""Replaying a workload on empty nodes: one pod after another, none of which leaves."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from fairlead.planner.arrivals import inflated, shuffled
from fairlead.planner.demands import Demands, Floats
from fairlead.planner.fragmentation import Fragmentation
from fairlead.planner.nodes import Node, gpu_millis_of, models_of
from fairlead.planner.policies.policy import Policy
from fairlead.planner.states import NodeState
from fairlead.planner.streams import Stream
from fairlead.planner.typical import typical_workload
from fairlead.planner.workloads import Pod


class Step(msgspec.Struct, frozen=True):
    """How the GPUs are after a pod has come, whether or not it found a place; in thousandths of a GPU."""

    arrived: int
    used: int
    fragmented: float


class Cluster:
    """Nodes, and the scores that a policy gives them for every demand: [demands, nodes]."""

    def __init__(self, nodes: Sequence[Node], demands: Demands, policy: Policy, fragmentation: Fragmentation) -> None:
        models = models_of(nodes)
        self._demands = demands
        self._policy = policy
        self._fragmentation = fragmentation
        self.nodes = [NodeState(each, models) for each in nodes]
        self._scores: Floats = np.empty((len(demands), len(nodes)))
        self._fragmented = [0.0] * len(nodes)
        self.used = 0
        self.fragmented = 0.0
        alike: dict[tuple[object, ...], int] = {}
        for index, node in enumerate(self.nodes):
            first = alike.setdefault((node.cpu_left, node.memory_left, node.state), index)
            if first == index:
                self._weigh(index)
            else:
                self._scores[:, index] = self._scores[:, first]
                self._fragmented[index] = self._fragmented[first]
                self.fragmented += self._fragmented[first]

    def place(self, demand: int) -> int | None:
        """Find a place for a pod; returns the index of its node, or None where no node can take it."""
        scores = self._scores[demand]
        index = self._policy.choose(scores) if scores.max() > -np.inf else None
        if index is None:
            return None
        node, asked = self.nodes[index], self._demands.all[demand]
        node.place(asked, self._policy.device(node, demand) if asked.shares else None)
        self.used += asked.total_gpu_millis
        self._weigh(index)
        return index

    def _weigh(self, index: int) -> None:
        node = self.nodes[index]
        self._scores[:, index] = np.where(self._demands.fit(node), self._policy.scores(node), -np.inf)
        now = self._fragmentation.amount(node)
        self.fragmented += now - self._fragmented[index]
        self._fragmented[index] = now


def replay(
    nodes: Sequence[Node], pods: Sequence[Pod], policy: type[Policy], seed: int, inflate: float | None
) -> list[Step]:
    """Replay a workload once.

    Args:
        nodes: The nodes, empty.
        pods: The workload; it is shuffled.
        policy: What places pods.
        seed: Decides the order of pods and nodes and whatever is drawn; the same for every policy.
        inflate: The workload is made to ask for so much of all GPUs (1.3: 130 %); as it is where None.

    Returns:
        A step for each pod that comes, in order.
    """
    random = Stream(seed)
    random.skip()  # as the published experiment does
    coming = shuffled(pods, random)
    if inflate is not None:
        coming = inflated(coming, inflate * gpu_millis_of(nodes), random)
    by_name = sorted(nodes, key=lambda each: each.name)
    ranks = random.permutation(len(by_name))
    order = [by_name[place] for place in sorted(range(len(by_name)), key=ranks.__getitem__)]
    distinct = sorted({each.demand for each in pods})
    number = {demand: index for index, demand in enumerate(distinct)}
    demands = Demands(distinct, models_of(nodes))
    fragmentation = Fragmentation(typical_workload(each.demand for each in pods), models_of(nodes))
    cluster = Cluster(order, demands, policy(demands, fragmentation, random), fragmentation)
    steps, arrived = [], 0
    for pod in coming:
        arrived += pod.demand.total_gpu_millis
        cluster.place(number[pod.demand])
        steps.append(Step(arrived, cluster.used, cluster.fragmented))
    return steps
