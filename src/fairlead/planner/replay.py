"""Replaying a workload on empty nodes: one pod after another, none of which leaves."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.planner.arrivals import inflated, shuffled
from fairlead.planner.cluster import Cluster
from fairlead.planner.demands import Demands
from fairlead.planner.fragmentation import Fragmentation
from fairlead.planner.nodes import Node, gpu_millis_of, gpus_by_model, models_of
from fairlead.planner.policies.policy import Policy
from fairlead.planner.streams import Stream
from fairlead.planner.typical import typical_workload
from fairlead.planner.workloads import Pod


class Step(msgspec.Struct, frozen=True):
    """How the GPUs are after a pod has come, whether or not it found a place; in thousandths of a GPU."""

    arrived: int
    used: int
    fragmented: float


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
    fragmentation = Fragmentation(typical_workload(each.demand for each in pods), gpus_by_model(nodes))
    cluster = Cluster(order, demands, policy(demands, fragmentation, random), fragmentation)
    steps, arrived = [], 0
    for pod in coming:
        arrived += pod.demand.total_gpu_millis
        cluster.place(number[pod.demand])
        steps.append(Step(arrived, cluster.used, cluster.fragmented))
    return steps
