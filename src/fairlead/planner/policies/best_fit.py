"""The node that has least left when the pod is there, CPU and GPUs weighing the same."""

from __future__ import annotations

import numpy as np

from fairlead.planner.demands import Floats
from fairlead.planner.policies.policy import Policy
from fairlead.planner.states import NodeState

CPU_MOST, GPU_MOST = 128_000, 8_000
"""What counts as all of a node: 128 cores and 8 GPUs, in thousandths."""


class BestFit(Policy):
    """Whole per cents of what is taken, of the largest node there may be."""

    def scores(self, node: NodeState) -> Floats:
        """Score by what would be left."""
        cpu = (node.cpu_left - self.demands.cpu) / CPU_MOST
        gpu = (node.gpu_left - self.demands.gpu) / GPU_MOST
        return np.floor((1.0 - (cpu * 0.5 + gpu * 0.5)) * 100)
