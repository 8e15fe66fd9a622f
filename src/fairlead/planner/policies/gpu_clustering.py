"""Nodes whose pods take GPUs as this one does: those that share one, those with one, with two, with so many.

Source: the paper that fragmentation.py cites, section 6.
"""

from __future__ import annotations

import numpy as np

from fairlead.planner.demands import Demands, Floats, Ints
from fairlead.planner.fragmentation import Fragmentation
from fairlead.planner.policies.best_fit import GPU_MOST
from fairlead.planner.policies.policy import Policy
from fairlead.planner.states import NodeState, class_of
from fairlead.planner.streams import Stream

BAND = 25
"""Scores are of four bands: nodes with this class alone, with this and others, with no pod of GPUs, with others."""


class GpuClustering(Policy):
    """Within a band the fuller node first; pods without a GPU go to the first node."""

    def __init__(self, demands: Demands, fragmentation: Fragmentation, random: Stream) -> None:
        super().__init__(demands, fragmentation, random)
        classes = [class_of(each) if each.gpus else -1 for each in demands.all]
        self._classes = sorted(set(classes))
        self._class: Ints = np.array([self._classes.index(each) for each in classes], np.int64)

    def scores(self, node: NodeState) -> Floats:
        """Score by what the node hosts."""
        return np.array([self._score(node, each) for each in self._classes])[self._class]

    def _score(self, node: NodeState, kind: int) -> float:
        if kind < 0:
            return 0.0
        alone = len(node.hosted) == 1
        band = (3 if alone else 2) if kind in node.hosted else (0 if node.hosted else 1)
        return float(BAND * band + BAND * (GPU_MOST - node.gpu_left) // GPU_MOST)
