"""Why free GPUs are of no use to the typical workload: the measure of fragmentation, taken apart by its causes.

The measure is that of `fragmentation`, extended by what a cluster has and a trace has not: memory, taints, nodes that
take no pods, labels. For one typical pod and one node, each free device either can be used by the pod, or is a fragment
for exactly one cause, the first of `CAUSES` that holds; a node's fragments are the mean over the typical workload.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import floor
from typing import NamedTuple

from fairlead.planner.standing import Pool, Standing, Where
from fairlead.planner.typical import typical_workload, without_memory
from fairlead.planner.workloads import Demand

MIG, MODEL, CLOSED, FULL, FEW, CPU, MEMORY = CAUSES = (
    "mig-profile",
    "model",
    "node-closed",
    "gpu-too-full",
    "too-few-gpus",
    "no-cpu",
    "no-memory",
)
"""In the order in which they are asked for.

`mig-profile`: MIG slices of a profile that the pod does not ask for. `model`: devices of a model, or on a node with
labels, that it does not ask for. `node-closed`: the node is cordoned or not ready, or has a taint that it does not
tolerate. `gpu-too-full`: less is left of the device than the pod wants of one. `too-few-gpus`: enough is left of the
device, but of fewer devices of the node than it wants together. `no-cpu`, `no-memory`: the devices are enough, and the
node's CPU is not, or its CPU is and its memory is not.
"""


class Ask(NamedTuple):
    """What pods of the typical workload ask for, memory and nodes too, and the share of pods that do."""

    demand: Demand
    where: Where
    share: float


def asks_of(standing: Standing) -> tuple[Ask, ...]:
    """Return the typical workload of a cluster: of its pods with GPUs, whether they run or wait.

    Which demands are typical does not depend on memory and nodes; a typical demand is asked for with those that pods
    with this demand have, each as often as they have it. Shares add up to 1; there are none where no pod has a GPU.
    """
    alike = Counter((each.pod.demand, each.where) for each in standing.pods if each.pod.demand.gpus)
    typical = {each.demand: each.share for each in typical_workload(demand for demand, _ in alike.elements())}
    counts: Counter[Demand] = Counter()
    for (demand, _), count in alike.items():
        counts[without_memory(demand)] += count
    everywhere = frozenset(pool.host for pool in standing.pools)
    return tuple(
        Ask(
            demand,
            standing.wheres[where] if where is not None else Where(everywhere, everywhere),
            typical[without_memory(demand)] * count / counts[without_memory(demand)],
        )
        for (demand, where), count in alike.items()
        if without_memory(demand) in typical
    )


def stranded(pool: Pool, asks: Iterable[Ask]) -> dict[str, float]:
    """Return how much of a node's free GPUs the typical workload can't use, in thousandths of a GPU, by the cause."""
    found = dict.fromkeys(CAUSES, 0.0)
    free = sum(pool.left)
    by_part: dict[int, tuple[int, int]] = {}
    for demand, where, share in asks if free else ():
        part = demand.gpu_millis
        if part not in by_part:
            enough = [left for left in pool.left if left >= part]
            by_part[part] = len(enough), free - sum(enough)
        count, short = by_part[part]
        cause = _kept_off(pool, demand, where)
        if cause:
            found[cause] += share * free
            continue
        found[FULL] += share * short
        cause = _lacking(pool, demand, count)
        if cause:
            found[cause] += share * (free - short)
    return found


def _kept_off(pool: Pool, demand: Demand, where: Where) -> str:
    """Return why a pod would not be there, whatever is left; empty where it may."""
    if (demand.models and pool.node.model not in demand.models) or pool.host not in where.selected:
        return MIG if pool.slices else MODEL
    return "" if pool.host in where.open else CLOSED


def _lacking(pool: Pool, demand: Demand, count: int) -> str:
    """Return what is too little for a pod, where so many devices have enough left; empty where nothing is."""
    if count < demand.gpus:
        return FEW
    if pool.cpu_left < demand.cpu_millis:
        return CPU
    return MEMORY if pool.memory_left < demand.memory_mib else ""


def summed(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the fragments of several nodes together, by the cause."""
    return {cause: sum(each[cause] for each in parts) for cause in CAUSES}


def whole(parts: Mapping[str, float]) -> dict[str, int]:
    """Return amounts as whole numbers that add up to their rounded sum: what is cut off most is rounded up first."""
    found = {name: floor(value) for name, value in parts.items()}
    lacking = round(sum(parts.values())) - sum(found.values())
    for name in sorted(parts, key=lambda name: found[name] - parts[name])[:lacking]:
        found[name] += 1
    return found
