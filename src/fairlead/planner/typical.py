"""The typical workload: what a cluster's pods ask for, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from fairlead.planner.workloads import Demand

POPULAR = 0.95
"""The most popular demands make the typical workload, until this share of the pods asks for one of them."""


class Typical(msgspec.Struct, frozen=True):
    """A demand of the typical workload, without memory, and the share of pods that have it; shares add up to 1."""

    demand: Demand
    share: float


def typical_workload(demands: Iterable[Demand]) -> tuple[Typical, ...]:
    """Return the typical workload of pods, most popular first.

    Args:
        demands: What each pod asks for; pods without a GPU count too. Memory is not looked at.
    """
    counts = Counter(map(without_memory, demands))
    popular: list[tuple[Demand, int]] = []
    covered = 0
    for demand, count in sorted(counts.items(), key=_rank, reverse=True):
        if covered >= POPULAR * counts.total():
            break
        popular.append((demand, count))
        covered += count
    return tuple(Typical(demand, count / covered) for demand, count in popular)


def without_memory(demand: Demand) -> Demand:
    """Return a demand as the typical workload has it."""
    return msgspec.structs.replace(demand, memory_mib=0)


def _rank(counted: tuple[Demand, int]) -> tuple[object, ...]:
    """Order by popularity; of demands that are equally popular the larger one comes first."""
    demand, count = counted
    return (count, demand.cpu_millis, demand.gpu_millis, demand.gpus, demand.models)
