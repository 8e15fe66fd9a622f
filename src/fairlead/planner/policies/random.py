"""Any node that can take the pod, and any GPU of it: what every other policy is measured against."""

from __future__ import annotations

import numpy as np

from fairlead.planner.demands import Floats
from fairlead.planner.policies.policy import Policy
from fairlead.planner.states import NodeState


class RandomNode(Policy):
    """Draws a node, each as likely as any other."""

    def scores(self, node: NodeState) -> Floats:
        """Give all nodes the same score."""
        return np.zeros(len(self.demands))

    def choose(self, scores: Floats) -> int:
        """Draw among the nodes that can take the pod."""
        able = np.flatnonzero(scores == 0)
        return int(able[self.random.below(len(able))])

    def device(self, node: NodeState, demand: int) -> int:
        """Draw among the GPUs with enough left."""
        part = self.demands.all[demand].gpu_millis
        able = [device for device, left in enumerate(node.left) if left >= part]
        return able[self.random.below(len(able))]
