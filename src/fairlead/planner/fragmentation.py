"""How much of the free GPUs of a node is of no use to the typical workload.

Source: Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent",
USENIX ATC 2023, section 3. For one demand, all that is free is a fragment where the pod does not fit, or needs no GPU;
else what is left of GPUs that are too full for it. A node's fragmentation is the mean over the typical workload.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate

import numpy as np

from fairlead.planner.demands import STATES_KEPT, Bools, Floats, Ints
from fairlead.planner.nodes import GPU_MILLIS
from fairlead.planner.states import GpuState, NodeState
from fairlead.planner.typical import Typical


class Fragmentation:
    """The measure, for one typical workload.

    What a demand can use does not depend on the CPU that a node has left, as long as it is enough. So usable GPU is
    summed over the demands in the order of their CPU, once for a state of the GPUs, and looked up by the CPU.

    Args:
        typical: The typical workload.
        gpus: How many GPUs there are of each model that nodes have, in the models' order.

    Attributes:
        typical, gpus: The same.
        cpus: [typical] the CPU of the typical demands with a GPU, ascending.
        at_least: [0 … 1000, sizes] whether so much of a GPU is enough for a size.
        too_little: [0 … 1000, sizes] so much of a GPU, where it is not enough for a size.
    """

    def __init__(self, typical: Sequence[Typical], gpus: Mapping[str, int]) -> None:
        self.typical = typical
        self.gpus = gpus
        kept = sorted((each for each in typical if each.demand.gpus), key=lambda each: each.demand.cpu_millis)
        sizes = sorted({each.demand.gpu_millis for each in kept})
        self.cpus: Ints = np.array([each.demand.cpu_millis for each in kept], np.int64)
        self._cpu_list = [each.demand.cpu_millis for each in kept]
        self._gpus: Ints = np.array([each.demand.gpus for each in kept], np.int64)
        self._profiles = [each.demand.profile for each in kept]
        self._whole: Bools = np.array([not each for each in self._profiles], np.bool_)
        self._size: Ints = np.array([sizes.index(each.demand.gpu_millis) for each in kept], np.int64)
        self._shares: Floats = np.array(
            [
                [each.share if not each.demand.models or model in each.demand.models else 0.0 for each in kept]
                for model in gpus
            ]
        ).reshape(len(gpus), len(kept))
        left = np.arange(GPU_MILLIS + 1)[:, None]
        enough: Bools = left >= np.array(sizes, np.int64)
        self.at_least: Ints = enough.astype(np.int64)
        self.too_little: Ints = np.where(enough, 0, left)
        self._amounts = lru_cache(STATES_KEPT)(self._amounts_by_cpu)

    def usable(self, count: Ints, short: Ints, total: Ints, model: int) -> Floats:
        """Return how much of the free GPUs the typical workload can use, by the CPU that is left.

        Args:
            count: [..., sizes] how many GPUs have enough left for each size.
            short: [..., sizes] what is left of the others, in thousandths.
            total: [...] what is left of all.
            model: The index of the node's model.

        Returns:
            [..., 1 + typical] thousandths of a GPU: entry i is what the first i demands of `cpus` can use.
        """
        fits = (count[..., self._size] >= self._gpus) & self._whole
        each = (total[..., None] - short[..., self._size]) * (fits * self._shares[model])
        found = np.zeros((*each.shape[:-1], each.shape[-1] + 1))
        np.cumsum(each, axis=-1, out=found[..., 1:])
        return found

    def amount(self, node: NodeState) -> float:
        """Return how much of a node's free GPUs is a fragment, in thousandths of a GPU."""
        return self._amounts(node.state)[bisect_right(self._cpu_list, node.cpu_left)]

    def _amounts_by_cpu(self, state: GpuState) -> list[float]:
        if state.profiles is not None:
            return self._amounts_of_cut(state.left, state.profiles, state.model)
        left = np.array(state.left, np.int64)
        usable = self.usable(
            self.at_least[left].sum(0), self.too_little[left].sum(0), left.sum(keepdims=True)[0], state.model
        )
        found: list[float] = (left.sum() - usable).tolist()
        return found

    def _amounts_of_cut(self, left: Sequence[int], profiles: Sequence[frozenset[str]], model: int) -> list[float]:
        """Return the same of GPUs that are cut: what is left of one is usable if it has an instance to give."""
        usable = [
            share * sum(part for part, given in zip(left, profiles, strict=True) if profile in given)
            for profile, share in zip(self._profiles, self._shares[model].tolist(), strict=True)
        ]
        return [sum(left) - each for each in accumulate(usable, initial=0.0)]
