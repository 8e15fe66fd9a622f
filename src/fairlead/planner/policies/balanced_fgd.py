"""Fragmentation gradient descent that looks further ahead: it keeps as much CPU beside free GPUs as they will want.

Fragmentation sees that CPU is short when the next pod would not fit any more; by then the node's GPUs are lost. Here a
free GPU counts as stranded as soon as the CPU beside it is less than what the typical workload wants with one, and a
placement costs what it fragments and what it strands. So pods that want much CPU go to nodes that have too much of it,
and those that want little to nodes where it is short, while both are still free.
"""

from __future__ import annotations

import numpy as np

from fairlead.planner.demands import Floats, Ints
from fairlead.planner.nodes import GPU_MILLIS
from fairlead.planner.policies.fgd import FragmentationGradientDescent
from fairlead.planner.states import NodeState


class BalancedFgd(FragmentationGradientDescent):
    """A thousandth of a GPU that is stranded weighs as much as one that is a fragment."""

    def _loss(self, node: NodeState, kind: Ints, cpu: Ints) -> Floats:
        after = self._stranded(node.gpu_left - self._taken[kind], node.cpu_left - cpu)
        before = self._stranded(np.array(node.gpu_left), np.array(node.cpu_left))
        return super()._loss(node, kind, cpu) + (after - before)[:, None]

    def _stranded(self, gpu: Ints, cpu: Ints) -> Floats:
        """Return how much of free GPUs has no CPU beside it, in thousandths of a GPU."""
        if not self.fragmentation.cpu_per_gpu:
            return np.zeros(np.shape(gpu))
        return np.maximum(0.0, gpu - GPU_MILLIS * np.maximum(cpu, 0) / self.fragmentation.cpu_per_gpu)
