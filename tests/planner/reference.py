"""What the papers say, written out device by device and without arrays: slow, and easy to read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from fairlead.planner.states import NodeState
from fairlead.planner.typical import Typical
from fairlead.planner.workloads import Demand


def fits(demand: Demand, cpu: int, left: Sequence[int], model: str) -> bool:
    """Whether CPU and GPUs are enough."""
    enough = sum(each >= demand.gpu_millis for each in left) >= demand.gpus
    return cpu >= demand.cpu_millis and enough and (not demand.models or model in demand.models)


def fragmentation(typical: Sequence[Typical], cpu: int, left: Sequence[int], model: str) -> float:
    """The free GPU that a demand can't use, in the mean over the typical workload."""
    return sum(each.share * _fragment(each.demand, cpu, left, model) for each in typical)


def _fragment(demand: Demand, cpu: int, left: Sequence[int], model: str) -> int:
    if not demand.gpus or not fits(demand, cpu, left, model):
        return sum(left)
    return sum(each for each in left if each < demand.gpu_millis)


def placements(demand: Demand, left: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Yield the devices that a pod may begin at, and what is left of all then."""
    if demand.shares:
        for device, each in enumerate(left):
            if each >= demand.gpu_millis:
                yield device, [*left[:device], each - demand.gpu_millis, *left[device + 1 :]]
    else:
        free = [device for device, each in enumerate(left) if each == 1000][: demand.gpus]
        yield -1, [0 if device in free else each for device, each in enumerate(left)]


def fgd(typical: Sequence[Typical], node: NodeState, demand: Demand, model: str) -> dict[int, float]:
    """The score of each placement before it is rounded down."""
    before = fragmentation(typical, node.cpu_left, node.left, model)
    cpu = node.cpu_left - demand.cpu_millis
    return {
        device: 100 / (1 + math.exp((fragmentation(typical, cpu, left, model) - before) / 1000))
        for device, left in placements(demand, node.left)
    }
