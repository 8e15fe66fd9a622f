"""The first node, and of it the first GPU and the lowest start of a MIG instance."""

from __future__ import annotations

import numpy as np

from fairlead.planner.demands import Floats
from fairlead.planner.mig.placing import Place
from fairlead.planner.policies.policy import Policy
from fairlead.planner.states import NodeState


class MigFirstFit(Policy):
    """Goes by the order of nodes alone."""

    knows_mig = True

    def scores(self, node: NodeState) -> Floats:
        """Give all nodes the same score."""
        return np.zeros(len(self.demands))

    def device(self, node: NodeState, demand: int) -> int:
        """Choose the first GPU with enough left."""
        part = self.demands.all[demand].gpu_millis
        return next(device for device, left in enumerate(node.left) if left >= part)

    def instance(self, node: NodeState, profile: str) -> Place:
        """Choose the first."""
        assert node.cut is not None
        found = node.cut.choose(profile, "first-fit")
        assert found is not None, "the node has one"
        return found
