"""The node that has most left when the pod is there, a GPU weighing as much as a hundred cores."""

from __future__ import annotations

import numpy as np

from fairlead.planner.demands import Floats
from fairlead.planner.policies.policy import Policy
from fairlead.planner.states import NodeState

GPU_WEIGHT = 100


class WorstFit(Policy):
    """Spreads pods; of a node's GPUs the emptiest one is shared."""

    def scores(self, node: NodeState) -> Floats:
        """Score by what would be left."""
        left = (node.cpu_left - self.demands.cpu) + GPU_WEIGHT * (node.gpu_left - self.demands.gpu)
        return left.astype(np.float64)

    def device(self, node: NodeState, demand: int) -> int:
        """Choose the GPU that has most left."""
        return node.left.index(max(node.left))
