"""The node whose free CPU and GPUs are least alike to what the pod asks for, by their scalar product.

Source: Grandl et al., "Multi-resource Packing for Cluster Schedulers", SIGCOMM 2014, as the paper that fragmentation.py
cites compares it: a small product is a high score.
"""

from __future__ import annotations

import numpy as np

from fairlead.planner.demands import Floats
from fairlead.planner.policies.best_fit import CPU_MOST, GPU_MOST
from fairlead.planner.policies.policy import Policy
from fairlead.planner.states import NodeState


class DotProduct(Policy):
    """Whole per cents, with both vectors in parts of the largest node there may be."""

    def scores(self, node: NodeState) -> Floats:
        """Score by the product."""
        cpu = (node.cpu_left / CPU_MOST) * (self.demands.cpu / CPU_MOST)
        gpu = (node.gpu_left / GPU_MOST) * (self.demands.gpu / GPU_MOST)
        return np.floor((1.0 - (cpu + gpu) / 2) * 100)
