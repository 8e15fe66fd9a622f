"""How many pods that wait would find a place: as nodes are now, or were all free GPUs of a model one usable heap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fairlead.planner.standing import Held, Pool, Standing
from fairlead.planner.workloads import Demand


class Waiting(NamedTuple):
    """Pods with GPUs that have no node yet.

    Attributes:
        pods: How many there are.
        fit_now: How many of them nodes have room for, the smallest first.
        fit_if_usable: How many there were room for if any free GPU of a model that they accept could be used.
    """

    pods: int
    fit_now: int
    fit_if_usable: int


def waiting(standing: Standing) -> Waiting:
    """Count the pods that wait, and those of them that would fit; those that ask for the least GPU come first."""
    pods = [each for each in standing.pods if not each.host and each.pod.demand.gpus]
    pods.sort(key=lambda each: (each.pod.demand.total_gpu_millis, each.pod.demand, each.pod.name))
    placing = _Placing(standing)
    fit_now = sum(map(placing.place, pods))
    in_heaps = _fit_in_heaps(standing, pods)
    return Waiting(len(pods), fit_now, max(fit_now, in_heaps))  # a heap that another model would have spared is no less


class _Placing:
    """Pods placed one after another, each on the first node that has room.

    Room only shrinks: a node that has none for a demand is not looked at again for it.
    """

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._left = {id(pool): list(pool.left) for pool in standing.pools}
        self._room = {pool.host: [pool.cpu_left, pool.memory_left] for pool in standing.pools}
        self._open: dict[tuple[Demand, int | None], list[Pool]] = {}

    def place(self, held: Held) -> bool:
        """Give a pod a place; False where there is none."""
        key = held.pod.demand, held.where
        if key not in self._open:
            self._open[key] = list(self._candidates(held))[::-1]
        pools = self._open[key]
        while pools:
            if self._take(pools[-1], held.pod.demand):
                return True
            pools.pop()
        return False

    def _candidates(self, held: Held) -> Iterator[Pool]:
        where = None if held.where is None else self._standing.wheres[held.where]
        for pool in self._standing.pools:
            if (where is None or pool.host in where.open) and pool.left and self._standing.accepts(held, pool):
                yield pool

    def _take(self, pool: Pool, demand: Demand) -> bool:
        left, room = self._left[id(pool)], self._room[pool.host]
        enough = [place for place, each in enumerate(left) if each >= demand.gpu_millis]
        if len(enough) < demand.gpus or room[0] < demand.cpu_millis or room[1] < demand.memory_mib:
            return False
        for place in sorted(enough, key=lambda place: left[place])[: demand.gpus]:
            left[place] -= demand.gpu_millis
        room[0] -= demand.cpu_millis
        room[1] -= demand.memory_mib
        return True


def _fit_in_heaps(standing: Standing, pods: Sequence[Held]) -> int:
    """Count the pods that fit where only the sum of what is free of each model counts, on whichever nodes."""
    heaps: Counter[str] = Counter()
    for pool in standing.pools:
        heaps[pool.node.model] += sum(pool.left)
    count = 0
    for each in pods:
        demand = each.pod.demand
        asked = demand.total_gpu_millis
        models = [model for model in demand.models or heaps if heaps[model] >= asked]
        if models:
            heaps[max(models, key=lambda model: heaps[model])] -= asked
            count += 1
    return count
