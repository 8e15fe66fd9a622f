"""What came of a simulation, in the field's metrics."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

from fairlead.planner.domains import Domains
from fairlead.planner.nodes import GPU_MILLIS
from fairlead.planner.rightsizing import nearest_rank
from fairlead.planner.simulation import Begun, Course, Losses, Moment
from fairlead.planner.workloads import Job
from fairlead.specs.capacity import SimulationReport
from fairlead.specs.simulated import (
    ElasticGangs,
    GangsTogether,
    QueueOutcome,
    Reclaimed,
    Seconds,
    UsagePoint,
    WaitShare,
)

_HOUR_S = 3600
_HOUR = _HOUR_S * GPU_MILLIS
"""A GPU-hour, in seconds of thousandths of a GPU."""
PARTS = 100
"""The time from the first arrival to the last end is cut into so many parts at most, for what happened over time."""


class _Mean(NamedTuple):
    """What was used and fragmented, times seconds, and jobs that waited times seconds."""

    used: float = 0.0
    fragmented: float = 0.0
    waiting: float = 0.0

    def plus(self, moment: Moment, seconds: float) -> _Mean:
        return _Mean(
            self.used + seconds * moment.used,
            self.fragmented + seconds * moment.fragmented,
            self.waiting + seconds * moment.waiting,
        )


def reported(jobs: Sequence[Job], course: Course, gpu_millis: int, domains: Domains | None = None) -> SimulationReport:
    """Return the report of a simulation.

    Args:
        jobs: The jobs.
        course: What became of them.
        gpu_millis: All GPUs of the nodes together, in thousandths of one; not 0.
        domains: Which nodes are near each other; None where that is not known.
    """
    begun = [(job, each) for job, each in zip(jobs, course.begun, strict=True) if each is not None]
    given_up = tuple(job.name for job, each in zip(jobs, course.begun, strict=True) if each is None)
    moments = course.moments
    first, last = (moments[0].at_s, moments[-1].at_s) if moments else (0, 0)
    over_time = tuple(_points(moments, gpu_millis))
    waits = _waits(begun)
    whole = _mean_of(moments, first, last)
    scale = 100 / (gpu_millis * (last - first)) if last > first else 0.0
    return SimulationReport(
        jobs=len(jobs),
        given_up=given_up,
        makespan_s=last - first,
        scheduling_occupancy=scale * whole.used,
        gpu_allocation_most=100 * max((each.used for each in moments), default=0) / gpu_millis,
        fragmentation=scale * whole.fragmented,
        wait=_seconds(waits),
        completion=_seconds(_completions(begun)),
        over_time=over_time,
        wait_distribution=tuple(_distribution(waits)),
        queues=tuple(_queues(jobs, course)) if course.is_queued else (),
        is_restless=course.is_restless,
        reclaims=None if course.losses is None else _reclaimed(course.losses),
        elastic=_elastic(begun),
        gangs=() if domains is None else tuple(_together(begun, domains)),
    )


def _together(begun: Sequence[tuple[Job, Begun]], domains: Domains) -> Iterator[GangsTogether]:
    """Yield how many gangs were in one domain of each level, the narrowest first."""
    gangs = [[place.node for place in each.places] for job, each in begun if job.pods > 1]
    for level, label in enumerate(domains.labels):
        together = sum(domains.are_one(level, each) for each in gangs)
        yield GangsTogether(label=label, gangs=len(gangs), together=together)


def _elastic(begun: Sequence[tuple[Job, Begun]]) -> ElasticGangs | None:
    found = [(job, len(each.places)) for job, each in begun if job.is_elastic]
    smaller = [pods / job.pods for job, pods in found if pods < job.pods]
    if not found:
        return None
    return ElasticGangs(gangs=len(found), smaller=len(smaller), pods_percent=100 * fmean(smaller) if smaller else None)


def _reclaimed(losses: Losses) -> Reclaimed:
    return Reclaimed(
        nodes=losses.nodes,
        jobs=losses.jobs,
        lost_gpu_hours=losses.gpu_millis_s / _HOUR,
        away_node_hours=sum(losses.away_s) / _HOUR_S,
    )


def _queues(jobs: Sequence[Job], course: Course) -> Iterator[QueueOutcome]:
    """Yield what became of the jobs of each queue, by its name."""
    listed: defaultdict[str, list[tuple[Job, Begun | None]]] = defaultdict(list)
    for job, each in zip(jobs, course.begun, strict=True):
        listed[job.queue].append((job, each))
    for name in sorted(listed):
        begun = [(job, each) for job, each in listed[name] if each is not None]
        lost = sum(job.demand.total_gpu_millis * each.lost_pod_s for job, each in begun)
        used = sum(job.pods * job.demand.total_gpu_millis * job.duration_s for job, _ in begun)
        yield QueueOutcome(
            name=name,
            jobs=len(listed[name]),
            given_up=len(listed[name]) - len(begun),
            evictions=sum(each.evictions for _, each in begun),
            reclaims=sum(each.reclaims for _, each in begun),
            lost_gpu_hours=lost / _HOUR,
            gpu_hours=(used + lost) / _HOUR,
            wait=_seconds(_waits(begun)),
            completion=_seconds(_completions(begun)),
        )


def _waits(begun: Sequence[tuple[Job, Begun]]) -> list[int]:
    return sorted(each.at_s - job.arrival_s for job, each in begun)


def _completions(begun: Sequence[tuple[Job, Begun]]) -> list[int]:
    return sorted(each.ended_s - job.arrival_s for job, each in begun)


def _points(moments: Sequence[Moment], gpu_millis: int) -> Iterator[UsagePoint]:
    """Yield what happened over time, as means of parts of equal length."""
    first, last = (moments[0].at_s, moments[-1].at_s) if moments else (0, 0)
    step = max(1, -(-(last - first) // PARTS))
    place = 0
    for start in range(first, last, step):
        end = min(start + step, last)
        while place + 1 < len(moments) and moments[place + 1].at_s <= start:
            place += 1
        inside = place
        while inside < len(moments) and moments[inside].at_s < end:
            inside += 1
        mean = _mean_of(moments[place : inside + 1], start, end)
        scale = 100 / (gpu_millis * (end - start))
        yield UsagePoint(
            from_s=start,
            gpu_allocation=scale * mean.used,
            fragmentation=scale * mean.fragmented,
            waiting=mean.waiting / (end - start),
        )


def _mean_of(moments: Sequence[Moment], start: int, end: int) -> _Mean:
    """Return the sums over a time; the moments are those in it, the one before it and the one after it."""
    found = _Mean()
    for one, after in pairwise(moments):
        seconds = min(after.at_s, end) - max(one.at_s, start)
        if seconds > 0:
            found = found.plus(one, seconds)
    return found


def _seconds(values: Sequence[int]) -> Seconds | None:
    if not values:
        return None
    p50, p90, p99 = (nearest_rank(values, percent) for percent in (50, 90, 99))
    return Seconds(mean=sum(values) / len(values), p50=p50, p90=p90, p99=p99, most=values[-1])


def _distribution(values: Sequence[int]) -> Iterator[WaitShare]:
    """Yield the points of the distribution of sorted values at their percentiles, each value once."""
    for value in sorted({nearest_rank(values, percent) for percent in range(1, 101)}) if values else ():
        yield WaitShare(wait_s=value, jobs_percent=100 * bisect_right(values, value) / len(values))
