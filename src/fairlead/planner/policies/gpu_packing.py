"""GPUs that are shared already first, then free ones of a node that is in use, then nodes that are not in use.

Source: the paper that fragmentation.py cites, section 6.
"""

from __future__ import annotations

import numpy as np

from fairlead.planner.demands import Floats
from fairlead.planner.nodes import GPU_MILLIS
from fairlead.planner.policies.policy import Policy
from fairlead.planner.states import NodeState

SHARED, USED, IDLE = 100, 50, 33
"""The highest score of each of the three; the first two go no lower than the next begins."""


class GpuPacking(Policy):
    """Keeps nodes free as long as others will do; pods without a GPU go to the first node."""

    def scores(self, node: NodeState) -> Floats:
        """Score by which GPUs would be taken."""
        free = node.left.count(GPU_MILLIS)
        if free == node.gpus:
            kinds = np.full(len(self.demands.gpus), float(max(IDLE - free, free)))
        else:
            kinds = np.where(self.demands.shared, self._sharing(node), np.maximum(USED - self.demands.gpus, IDLE))
        kinds[self.demands.gpus == 0] = 0
        return kinds[self.demands.kind]

    def _sharing(self, node: NodeState) -> Floats:
        left = np.array(node.state.left, np.int64)
        taken = left[np.minimum(np.searchsorted(left, self.demands.part), node.gpus - 1)]
        shared = np.maximum(SHARED - taken * 100 // GPU_MILLIS // 10, USED)
        return np.where(taken == GPU_MILLIS, USED - 1, shared).astype(np.float64)
