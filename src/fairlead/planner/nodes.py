"""Nodes as the planner knows them: what they have to give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from fairlead.planner.mig.cutting import Cut

GPU_MILLIS = 1000
"""A whole GPU, in the unit in which pods share one."""
GPUS_MOST = 1024
"""No node has more GPUs."""


class ReclaimRate(msgspec.Struct, frozen=True):
    """How often a node is taken away, and how soon it is back.

    Attributes:
        per_h: How often in an hour in which it is there, in the mean.
        back_after_s: After how many seconds it, or one like it, is there again.
    """

    per_h: float
    back_after_s: int


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One machine.

    Attributes:
        name: Its name, unique among the nodes.
        cpu_millis: CPU for pods, in thousandths of a core.
        memory_mib: Memory for pods, in MiB.
        gpus: How many GPUs it has, all of one model.
        model: The GPUs' model; empty where it has none.
        labels: Its labels, by name.
        spot: Whether its provider may take it away, for which it has another price.
        cut: How its GPUs are cut; None where they are whole.
        reclaims: How often it is taken away; None where it is not, or where only a table says when.
    """

    name: str
    cpu_millis: int
    memory_mib: int
    gpus: int = 0
    model: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    spot: bool = False
    cut: Cut | None = None
    reclaims: ReclaimRate | None = None


def gpu_millis_of(nodes: Iterable[Node]) -> int:
    """Return what all GPUs of some nodes are together, in thousandths of one."""
    return GPU_MILLIS * sum(node.gpus for node in nodes)


def gpus_by_model(nodes: Iterable[Node]) -> dict[str, int]:
    """Return how many GPUs nodes have of each model, in the models' order."""
    found: Counter[str] = Counter()
    for node in nodes:
        found[node.model] += node.gpus
    return dict(sorted(found.items()))


def models_of(nodes: Iterable[Node]) -> tuple[str, ...]:
    """Return the models of GPUs that nodes have, in order."""
    return tuple(gpus_by_model(nodes))
