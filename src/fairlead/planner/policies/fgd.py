"""Fragmentation gradient descent: the node, and its GPU, whose fragmentation grows least.

Source: the paper that fragmentation.py cites, section 4.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fairlead.planner.demands import STATES_KEPT, Bools, Demands, Floats, Ints
from fairlead.planner.fragmentation import Fragmentation
from fairlead.planner.nodes import GPU_MILLIS
from fairlead.planner.policies.policy import Policy
from fairlead.planner.states import GpuState, NodeState
from fairlead.planner.streams import Stream


class _After(NamedTuple):
    """What becomes of a state of GPUs when one with so much left is taken.

    Attributes:
        parts: [parts] what is left of GPUs, each once, least first.
        able: [kinds, parts] whether it is enough.
        amounts: [kinds, 1 + typical, parts] the fragmentation then, by the CPU that is left then.
    """

    parts: list[int]
    able: Bools
    amounts: Floats


class FragmentationGradientDescent(Policy):
    """Scores are whole per cents of a sigmoid of the loss, so that small differences are none."""

    def __init__(self, demands: Demands, fragmentation: Fragmentation, random: Stream) -> None:
        super().__init__(demands, fragmentation, random)
        self._after = lru_cache(STATES_KEPT)(self._after_each)
        self._taken: Ints = demands.gpus * demands.part
        # demands that differ in memory or models alone have the same score
        pairs, alike = np.unique(np.stack([demands.kind, demands.cpu]), axis=1, return_inverse=True)
        self._kind, self._cpu = pairs
        self._alike: Ints = alike.reshape(-1)

    def scores(self, node: NodeState) -> Floats:
        """Score by the fragmentation before and after, on the best GPU."""
        found: Floats = self._by_part(node, self._kind, self._cpu).max(1)
        return found[self._alike]

    def device(self, node: NodeState, demand: int) -> int:
        """Choose the GPU that gave the score, the first of several."""
        scores = self._by_part(node, self.demands.kind[[demand]], self.demands.cpu[[demand]])[0].tolist()
        parts = self._after(node.state).parts
        return node.left.index(
            max(dict.fromkeys(node.left), key=lambda left: scores[parts.index(left)])  # the first of the highest
        )

    def _by_part(self, node: NodeState, kind: Ints, cpu: Ints) -> Floats:
        """Return the scores of demands when GPUs with so much left are taken: [demands, parts]."""
        scores = np.floor(100 / (1 + np.exp(self._loss(node, kind, cpu) / GPU_MILLIS)))
        return np.where(self._after(node.state).able[kind], scores, -1.0)

    def _loss(self, node: NodeState, kind: Ints, cpu: Ints) -> Floats:
        """Return by how much each placement makes the node worse, in thousandths of a GPU: [demands, parts]."""
        rank = np.searchsorted(self.fragmentation.cpus, node.cpu_left - cpu, side="right")
        return self._after(node.state).amounts[kind, rank] - self.fragmentation.amount(node)

    def _after_each(self, state: GpuState) -> _After:
        measure, demands = self.fragmentation, self.demands
        parts: Ints = np.array(sorted(set(state.left) or {0}), np.int64)
        rest = parts - demands.part[:, None]
        able = np.where(demands.shared[:, None], rest >= 0, (parts == GPU_MILLIS) | (demands.gpus == 0)[:, None])
        rest = np.where(able, rest, 0)
        times = demands.gpus[:, None, None]
        left = np.array(state.left, np.int64)
        count = measure.at_least[left].sum(0) + times * (measure.at_least[rest] - measure.at_least[parts])
        short = measure.too_little[left].sum(0) + times * (measure.too_little[rest] - measure.too_little[parts])
        total: Ints = np.broadcast_to((left.sum() - self._taken)[:, None], rest.shape)
        amounts = total[..., None] - measure.usable(count, short, total, state.model)
        return _After(parts.tolist(), able, np.ascontiguousarray(amounts.swapaxes(1, 2)))
