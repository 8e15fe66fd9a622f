"""Fragmentation gradient descent that looks further ahead: it keeps beside free GPUs what the pods to come will want.

Fragmentation sees that something is short when the next pod would not fit any more; by then the node's GPUs are lost.
Two things are seen earlier here. CPU: a free GPU counts as stranded as soon as the CPU beside it is less than what the
typical workload wants with one. So pods that want much CPU go to nodes that have too much of it, and those that want
little to nodes where it is short, while both are still free. Models: a GPU has as its price what is asked of it by
pods that can't go everywhere. So pods that take any model leave those models alone that others need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fairlead.planner.demands import Demands, Floats, Ints
from fairlead.planner.fragmentation import Fragmentation
from fairlead.planner.nodes import GPU_MILLIS
from fairlead.planner.policies.fgd import FragmentationGradientDescent
from fairlead.planner.states import NodeState
from fairlead.planner.streams import Stream
from fairlead.planner.typical import Typical


class BalancedFgd(FragmentationGradientDescent):
    """A placement costs what it fragments, what it strands and the price of what it takes, all in parts of a GPU."""

    def __init__(self, demands: Demands, fragmentation: Fragmentation, random: Stream) -> None:
        super().__init__(demands, fragmentation, random)
        self._cpu_per_gpu = cpu_per_gpu(fragmentation.typical)
        self._prices = prices(fragmentation.typical, fragmentation.gpus)

    def _loss(self, node: NodeState, kind: Ints, cpu: Ints) -> Floats:
        taken = self._taken[kind]
        before = self._stranded(np.array(node.gpu_left), np.array(node.cpu_left))
        after = self._stranded(node.gpu_left - taken, node.cpu_left - cpu)
        cost: Floats = after - before + self._prices[node.state.model] * taken
        return super()._loss(node, kind, cpu) + cost[:, None]

    def _stranded(self, gpu: Ints, cpu: Ints) -> Floats:
        """Return how much of free GPUs has no CPU beside it, in thousandths of a GPU."""
        if not self._cpu_per_gpu:
            return np.zeros(np.shape(gpu))
        return np.maximum(0.0, gpu - GPU_MILLIS * np.maximum(cpu, 0) / self._cpu_per_gpu)


def cpu_per_gpu(typical: Sequence[Typical]) -> float:
    """Return the CPU that typical pods with a GPU want with each whole one, in thousandths of a core."""
    gpus = sum(each.share * each.demand.total_gpu_millis for each in typical) / GPU_MILLIS
    return sum(each.share * each.demand.cpu_millis for each in typical if each.demand.gpus) / gpus if gpus else 0.0


def prices(typical: Sequence[Typical], gpus: Mapping[str, int]) -> Floats:
    """Return for each model how much of one of its GPUs is asked for by typical pods that don't take every model.

    The typical workload is taken to ask for as many GPUs as there are, and each demand for the same of every GPU that
    will do. A model costs 0 where nobody needs it, and 1 where those that need it, or one like it, ask for all of it.

    Args:
        typical: The typical workload.
        gpus: How many GPUs there are of each model.
    """
    total = sum(gpus.values())
    asked = sum(each.share * each.demand.total_gpu_millis for each in typical)
    found = dict.fromkeys(gpus, 0.0)
    for each in typical if asked else ():
        able = [model for model in gpus if model in each.demand.models]
        count = sum(gpus[model] for model in able)
        for model in able if 0 < count < total else ():
            found[model] += each.share * each.demand.total_gpu_millis / asked * total / count
    return np.array(list(found.values()))
