"""What pods may ask for, as arrays: so that a node is weighed for every demand at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fairlead.planner.nodes import GPU_MILLIS
from fairlead.planner.states import GpuState, NodeState
from fairlead.planner.workloads import Demand

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STATES_KEPT = 2048
"""For how many states of GPUs tables are kept: about 1,600 occur in a replay on 1,213 nodes, of up to 30 kB each."""


class Demands:
    """The distinct demands of a workload.

    Args:
        demands: What pods ask for, each once; an index into them stands for a demand everywhere.
        models: The models of GPUs that nodes have.

    Attributes:
        cpu: [demands] CPU, in thousandths of a core.
        memory: [demands] memory, in MiB.
        gpu: [demands] all GPUs together, in thousandths of one.
        kind: [demands] the index of what is asked of GPUs, among `gpus` and `part`.
        gpus: [kinds] how many GPUs.
        part: [kinds] the part of each, in thousandths.
        accepts: [demands, models] whether a model will do.
    """

    def __init__(self, demands: Sequence[Demand], models: Sequence[str]) -> None:
        self.all = tuple(demands)
        kinds = sorted({(each.gpus, each.gpu_millis) for each in demands})
        self.cpu: Ints = np.array([each.cpu_millis for each in demands], np.int64)
        self.memory: Ints = np.array([each.memory_mib for each in demands], np.int64)
        self.gpu: Ints = np.array([each.total_gpu_millis for each in demands], np.int64)
        self.kind: Ints = np.array([kinds.index((each.gpus, each.gpu_millis)) for each in demands], np.int64)
        self.gpus: Ints = np.array([gpus for gpus, _ in kinds], np.int64)
        self.part: Ints = np.array([part for _, part in kinds], np.int64)
        self.accepts: Bools = np.array(
            [[not each.models or model in each.models for model in models] for each in demands], np.bool_
        )
        self._whole: Bools = np.array([not each.profile for each in demands], np.bool_)
        self._fit_gpus = lru_cache(STATES_KEPT)(self._gpus_fit)

    def __len__(self) -> int:
        return len(self.all)

    def fit(self, node: NodeState) -> Bools:
        """Return which demands a node can take as it is now: [demands]."""
        cpu: Bools = self.cpu <= node.cpu_left
        return cpu & (self.memory <= node.memory_left) & self._fit_gpus(node.state)

    def _gpus_fit(self, state: GpuState) -> Bools:
        if state.profiles is not None:
            given = frozenset[str]().union(*state.profiles)
            able = [each.profile in given if each.profile else not each.gpus for each in self.all]
            return self.accepts[:, state.model] & np.array(able, np.bool_)
        enough: Bools = (np.array(state.left, np.int64)[:, None] >= self.part).sum(0) >= self.gpus
        return self.accepts[:, state.model] & enough[self.kind] & self._whole

    @property
    def shared(self) -> Bools:
        """[kinds] whether a part of one GPU is asked for."""
        return (self.part > 0) & (self.part < GPU_MILLIS)
