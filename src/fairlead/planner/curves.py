"""What became of the GPUs, over what has arrived: by whole per cents, and over several seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean, stdev

import msgspec

from fairlead.planner.replay import Step
from fairlead.specs.capacity import CurvePoint, ReplayReport


class Bin(msgspec.Struct, frozen=True):
    """The mean over the pods of one whole per cent of arrivals, in per cent of all GPUs."""

    gpu_allocation: float
    fragmentation: float


def binned(steps: Iterable[Step], gpu_millis: int) -> dict[int, Bin]:
    """Return a replay by the whole per cents of all GPUs that pods had asked for.

    Args:
        steps: The replay.
        gpu_millis: All GPUs of the nodes together, in thousandths of one; not 0.
    """
    found: defaultdict[int, list[Step]] = defaultdict(list)
    for step in steps:
        found[round(100 * step.arrived / gpu_millis)].append(step)
    scale = 100 / gpu_millis
    return {
        percent: Bin(scale * fmean(each.used for each in group), scale * fmean(each.fragmented for each in group))
        for percent, group in found.items()
    }


def averaged(replays: Sequence[dict[int, Bin]]) -> ReplayReport:
    """Return the mean and the deviation over seeds; a per cent that some lack is that of the others."""
    percents = sorted({percent for each in replays for percent in each})
    groups = {percent: [each[percent] for each in replays if percent in each] for percent in percents}
    return ReplayReport(
        seeds=len(replays),
        gpu_allocation=tuple(_point(percent, [each.gpu_allocation for each in groups[percent]]) for percent in groups),
        fragmentation=tuple(_point(percent, [each.fragmentation for each in groups[percent]]) for percent in groups),
    )


def _point(percent: int, values: list[float]) -> CurvePoint:
    return CurvePoint(arrivals_percent=percent, mean=fmean(values), sd=stdev(values) if len(values) > 1 else 0.0)
