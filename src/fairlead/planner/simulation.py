"""Jobs that come, wait, run and go: a discrete-event simulation of a cluster's nodes.

At every moment at which something happens, first what has ended goes, then what has come waits, then those begin that
can. Nothing but that is decided by time: the same nodes, jobs and seed give the same result, to the byte.

Left out: quota, preemption, nodes that come and go, images to be pulled, the time that anything takes beside a job.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

import msgspec

from fairlead.planner.cluster import Cluster, Place
from fairlead.planner.demands import Demands
from fairlead.planner.fragmentation import Fragmentation
from fairlead.planner.lines import Line
from fairlead.planner.nodes import Node, models_of
from fairlead.planner.policies.policy import Policy
from fairlead.planner.streams import Stream
from fairlead.planner.typical import typical_workload
from fairlead.planner.workloads import Demand, Job


class Begun(msgspec.Struct, frozen=True):
    """When a job began, in seconds, and where its pods are."""

    at_s: int
    places: tuple[Place, ...]


class Moment(NamedTuple):
    """How the cluster is from a moment on, until the next: GPUs in thousandths of one.

    Attributes:
        at_s: When, in seconds.
        used: What jobs have.
        fragmented: What is free, but of no use to the typical workload.
        waiting: How many jobs wait.
    """

    at_s: int
    used: int
    fragmented: float
    waiting: int


class Course(NamedTuple):
    """What became of jobs.

    Attributes:
        begun: For each job when and where it began, in the order of the jobs; None where it never can.
        moments: How the cluster was, in order of time.
    """

    begun: list[Begun | None]
    moments: list[Moment]


def simulate(nodes: Sequence[Node], jobs: Sequence[Job], policy: type[Policy], strategy: str, seed: int = 0) -> Course:
    """Simulate until every job has ended.

    A job that finds no place while nothing runs can never begin: it is given up.

    Args:
        nodes: The nodes, empty.
        jobs: The jobs, in the order in which they come.
        policy: What places pods.
        strategy: Who of those that wait may begin: `lines.STRATEGIES`.
        seed: Decides what a policy draws.
    """
    return _Simulation(nodes, jobs, policy, strategy, seed).run()


class _Simulation:
    def __init__(
        self, nodes: Sequence[Node], jobs: Sequence[Job], policy: type[Policy], strategy: str, seed: int
    ) -> None:
        distinct = sorted({each.demand for each in jobs})
        demands = Demands(distinct, models_of(nodes))
        typical = typical_workload(each.demand for each in jobs for _ in range(each.pods))
        measure = Fragmentation(typical, models_of(nodes))
        self._jobs = jobs
        self._number: dict[Demand, int] = {demand: index for index, demand in enumerate(distinct)}
        self._cluster = Cluster(nodes, demands, policy(demands, measure, Stream(seed)), measure)
        self._line = Line(strategy)
        self._ends: list[tuple[int, int]] = []
        self._begun: list[Begun | None] = [None] * len(jobs)
        self._now_s = 0

    def run(self) -> Course:
        """Go from moment to moment."""
        moments: list[Moment] = []
        coming = 0
        while coming < len(self._jobs) or self._ends:
            comes = [self._jobs[coming].arrival_s] if coming < len(self._jobs) else []
            self._now_s = min(comes + [at_s for at_s, _ in self._ends[:1]])
            self._end()
            while coming < len(self._jobs) and self._jobs[coming].arrival_s == self._now_s:
                self._line.add(coming, self._jobs[coming])
                coming += 1
            self._line.begin(self._place)
            while self._line and not self._ends:  # nothing runs, and still the first finds no place
                self._line.drop_first()
                self._line.begin(self._place)
            cluster = self._cluster
            moments.append(Moment(self._now_s, cluster.used, cluster.fragmented, len(self._line)))
        return Course(self._begun, moments)

    def _end(self) -> None:
        """Have those go whose time has come."""
        while self._ends and self._ends[0][0] == self._now_s:
            _, number = heappop(self._ends)
            begun = self._begun[number]
            assert begun is not None
            self._remove(self._number[self._jobs[number].demand], begun.places)
            self._line.has_room()

    def _place(self, number: int, job: Job) -> bool:
        """Find all pods of a job a place, or none of them."""
        demand = self._number[job.demand]
        places: list[Place] = []
        for _ in range(job.pods):
            place = self._cluster.place(demand)
            if place is None:
                self._remove(demand, places)
                return False
            places.append(place)
        self._begun[number] = Begun(self._now_s, tuple(places))
        heappush(self._ends, (self._now_s + job.duration_s, number))
        return True

    def _remove(self, demand: int, places: Sequence[Place]) -> None:
        for place in reversed(places):
            self._cluster.remove(demand, place)
