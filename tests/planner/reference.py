"""What the papers say, written out device by device and without arrays: slow, and easy to read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

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
        device: _score(fragmentation(typical, cpu, left, model) - before)
        for device, left in placements(demand, node.left)
    }


def balanced_fgd(
    typical: Sequence[Typical], gpus: Mapping[str, int], node: NodeState, demand: Demand, model: str
) -> dict[int, float]:
    """The same where free GPUs with too little CPU, and GPUs that others need, count too."""
    asked = [each for each in typical if each.demand.gpus]
    millis = sum(each.share * each.demand.total_gpu_millis for each in asked)
    cpu_millis = sum(each.share * each.demand.cpu_millis for each in asked)

    def lost(cpu: int, left: Sequence[int]) -> float:
        stranded = max(0.0, sum(left) - cpu * millis / cpu_millis) if cpu_millis else 0.0
        return fragmentation(typical, cpu, left, model) + stranded

    price = 0.0
    for each in asked:
        able = sum(count for name, count in gpus.items() if name in each.demand.models)
        if model in each.demand.models and able < sum(gpus.values()):
            price += each.share * each.demand.total_gpu_millis / millis * sum(gpus.values()) / able
    before, cpu = lost(node.cpu_left, node.left), node.cpu_left - demand.cpu_millis
    return {
        device: _score(lost(cpu, left) - before + price * demand.total_gpu_millis)
        for device, left in placements(demand, node.left)
    }


def _score(loss: float) -> float:
    return 100 / (1 + math.exp(loss / 1000))
