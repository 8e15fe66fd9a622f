"""Jobs that come, wait, run and go: a discrete-event simulation of a cluster's nodes.

At every moment at which something happens, first what has ended goes, then nodes are taken away or are back, then what
has come waits, then queues admit and take back where there are some, then those begin that can. Nothing but that is
decided by time: the same nodes, jobs and seed give the same result, to the byte.

Left out: images to be pulled, the time that anything takes beside a job.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from fairlead.planner.admitting import Admission, ByQuota, Everyone, Flavors, nodes_of, with_strategy
from fairlead.planner.cluster import Cluster, Place
from fairlead.planner.demands import Demands
from fairlead.planner.domains import Domains
from fairlead.planner.fragmentation import Fragmentation
from fairlead.planner.lines import BEST_EFFORT, Line, Strategy
from fairlead.planner.nodes import Node, gpus_by_model, models_of
from fairlead.planner.policies.policy import Policy
from fairlead.planner.reclaims import Absences, Reclaim
from fairlead.planner.streams import Stream
from fairlead.planner.typical import typical_workload
from fairlead.planner.workloads import Demand, Job
from fairlead.queues.manifests import Setup

PATIENCE = 100
"""A job is given up that has stopped so often in a row and kept nothing, the last time with a node; and the first that
waits, when nodes have come back so often, and as often as there are nodes, while nothing ran. Else there might be no
end."""


class Begun(msgspec.Struct, frozen=True):
    """What became of a job that began.

    Attributes:
        at_s: When it first began, in seconds.
        ended_s: When it ended.
        places: Where its pods were then.
        evictions: How often it was taken back so that others begin.
        lost_pod_s: How long its pods ran in vain, all together: since its last checkpoint, or since it had begun.
        reclaims: How often it stopped because a node of its pods was taken away.
    """

    at_s: int
    ended_s: int
    places: tuple[Place, ...]
    evictions: int = 0
    lost_pod_s: int = 0
    reclaims: int = 0


class Losses(NamedTuple):
    """What was lost with nodes that were taken away.

    Attributes:
        nodes: How often one was taken.
        jobs: How often a job stopped with one.
        gpu_millis_s: What these had done since their last checkpoints: thousandths of a GPU times seconds.
        away_s: For each node how long it was away, from the first arrival to the end.
    """

    nodes: int
    jobs: int
    gpu_millis_s: int
    away_s: tuple[int, ...]


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
        is_queued: Whether there were queues.
        is_restless: Whether their rules took work back and admitted it again without end.
        losses: What was lost with nodes; None where none can be taken.
    """

    begun: list[Begun | None]
    moments: list[Moment]
    is_queued: bool = False
    is_restless: bool = False
    losses: Losses | None = None


def simulate(
    nodes: Sequence[Node],
    jobs: Sequence[Job],
    policy: type[Policy],
    strategy: Strategy | None = None,
    seed: int = 0,
    setup: Setup | None = None,
    reclaims: Sequence[Reclaim] = (),
    domains: Domains | None = None,
) -> Course:
    """Simulate until every job has ended.

    A job that finds no place while nothing runs, and would find none on all nodes that come back, can never begin: it
    is given up. So is one that its queue has not admitted when everything else has ended, and see `PATIENCE`.

    Args:
        nodes: The nodes, empty; they are taken away by the rates that they have.
        jobs: The jobs, in the order in which they come.
        policy: What places pods.
        strategy: Who of those that wait may begin; as each queue says where it is None, and BestEffortFIFO where there
            are no queues.
        seed: Decides what a policy draws, and when nodes are taken that have a rate.
        setup: The queues that admit jobs; None where all that come may look for nodes.
        reclaims: When nodes are taken beside that.
        domains: Which nodes are near each other, for policies that pack gangs; None where that is not known.
    """
    absences = Absences(nodes, reclaims, seed, jobs[0].arrival_s if jobs else 0)
    return _Simulation(nodes, jobs, policy, strategy, seed, setup, absences, domains).run()


class _Run(NamedTuple):
    """A job that runs: since when, until when, where, and on nodes of which flavors."""

    since_s: int
    ends_s: int
    places: tuple[Place, ...]
    flavors: Flavors


@dataclass(slots=True)
class _Past:
    """What a job that has stopped has behind it: when it first began, how often and why it did, what it lost and kept.

    `in_vain` is how often it stopped since it last kept anything.
    """

    first_s: int | None = None
    evictions: int = 0
    reclaims: int = 0
    in_vain: int = 0
    lost_pod_s: int = 0
    kept_pod_s: int = 0


class _Simulation:
    def __init__(
        self,
        nodes: Sequence[Node],
        jobs: Sequence[Job],
        policy: type[Policy],
        strategy: Strategy | None,
        seed: int,
        setup: Setup | None,
        absences: Absences,
        domains: Domains | None,
    ) -> None:
        distinct = sorted({each.demand for each in jobs})
        demands = Demands(distinct, models_of(nodes))
        typical = typical_workload(each.demand for each in jobs for _ in range(each.pods))
        measure = Fragmentation(typical, gpus_by_model(nodes))
        self._jobs = jobs
        self._number: dict[Demand, int] = {demand: index for index, demand in enumerate(distinct)}
        self._cluster = Cluster(nodes, demands, policy(demands, measure, Stream(seed)), measure)
        self._is_queued = setup is not None
        self._of_flavor: dict[str, NDArray[np.bool_]] = {}
        self._admission: Admission
        if setup is None:
            self._admission, self._line = Everyone(), Line(strategy or BEST_EFFORT)
        else:  # who is admitted is tried whenever there is room, as a scheduler of pods does
            self._of_flavor = {flavor: nodes_of(labels, nodes) for flavor, labels in setup.flavors.items()}
            self._admission = ByQuota(with_strategy(setup, strategy), nodes, self._of_flavor, jobs)
            self._line = Line(BEST_EFFORT)
        self._among: dict[Flavors, NDArray[np.bool_] | None] = {}
        self._running: dict[int, _Run] = {}
        self._ends: list[tuple[int, int]] = []
        self._begun: list[Begun | None] = [None] * len(jobs)
        self._past: dict[int, _Past] = {}
        self._absences = absences
        self._domains = domains if policy.packs_gangs else None
        self._taken = self._stopped = self._lost_gpu_millis_s = self._idle_returns = 0
        self._now_s = 0

    def run(self) -> Course:
        """Go from moment to moment."""
        moments: list[Moment] = []
        coming = 0
        while coming < len(self._jobs) or self._running or self._line:
            comes = [self._jobs[coming].arrival_s] if coming < len(self._jobs) else []
            nodes_s = self._absences.next_s if coming else math.inf  # before the first arrival nodes make no moment
            self._now_s = int(min([*comes, *self._next_end(), nodes_s]))
            self._end()
            if self._absences.next_s <= self._now_s:
                self._have_nodes_go_and_come()
            while coming < len(self._jobs) and self._jobs[coming].arrival_s == self._now_s:
                self._admission.come(coming)
                coming += 1
            self._begin()
            while self._line and not self._running and not self._may_wait():
                self._admission.end(self._line.drop_first())
                self._begin()
            cluster, waiting = self._cluster, len(self._line) + len(self._admission)
            moments.append(Moment(self._now_s, cluster.used, cluster.fragmented, waiting))
        return Course(self._begun, moments, self._is_queued, self._admission.is_restless, self._losses())

    def _losses(self) -> Losses | None:
        if not self._absences.is_possible:
            return None
        return Losses(self._taken, self._stopped, self._lost_gpu_millis_s, self._absences.away_s(self._now_s))

    def _next_end(self) -> list[int]:
        """Return when the next job ends, if one runs; what was taken back meanwhile is forgotten."""
        while self._ends and not self._is_end(*self._ends[0]):
            heappop(self._ends)
        return [at_s for at_s, _ in self._ends[:1]]

    def _is_end(self, at_s: int, number: int) -> bool:
        return number in self._running and self._running[number].ends_s == at_s

    def _end(self) -> None:
        """Have those go whose time has come."""
        while self._ends and self._ends[0][0] == self._now_s:
            at_s, number = heappop(self._ends)
            if self._is_end(at_s, number):
                run, past = self._stop(number), self._past.pop(number, _Past())
                first_s = run.since_s if past.first_s is None else past.first_s
                self._begun[number] = Begun(first_s, at_s, run.places, past.evictions, past.lost_pod_s, past.reclaims)
                self._admission.end(number)

    def _begin(self) -> None:
        """Admit, take back, and have those begin that can."""
        for change in self._admission.settle(self._now_s):
            if change.what == "admitted":
                self._line.add(change.number, self._jobs[change.number], change.flavors)
            else:
                self._take_back(change.number)
        self._line.begin(self._place)

    def _take_back(self, number: int) -> None:
        """Have a job stop, or look for nodes no longer; what it did since its last checkpoint is lost."""
        self._past.setdefault(number, _Past()).evictions += 1
        if number in self._running:
            self._interrupt(number)
        else:
            self._line.leave(number)

    def _interrupt(self, number: int) -> int:
        """Have a job stop before its end; returns for how long its pods ran in vain, since its last checkpoint."""
        past, every_s = self._past.setdefault(number, _Past()), self._jobs[number].checkpoint_s
        run = self._stop(number)
        ran_s = self._now_s - run.since_s
        lost_s = ran_s % every_s if every_s else ran_s
        past.first_s = run.since_s if past.first_s is None else past.first_s
        past.lost_pod_s += lost_s * len(run.places)
        past.kept_pod_s += (ran_s - lost_s) * len(run.places)
        past.in_vain = 0 if ran_s > lost_s else past.in_vain + 1
        return lost_s * len(run.places)

    def _have_nodes_go_and_come(self) -> None:
        for event in self._absences.until(self._now_s):
            if event.is_back:
                self._idle_returns = self._idle_returns + 1 if self._line and not self._running else 0
                self._cluster.open(event.node)
                self._line.has_room()
            else:
                self._take_away(event.node)

    def _take_away(self, node: int) -> None:
        """Have a node go, and the jobs stop that have pods on it; they wait again, and keep their quota."""
        self._taken += 1
        on_it = [each for each, run in self._running.items() if any(place.node == node for place in run.places)]
        for number in on_it:
            job, flavors = self._jobs[number], self._running[number].flavors
            self._stopped += 1
            self._lost_gpu_millis_s += self._interrupt(number) * job.demand.total_gpu_millis
            past = self._past[number]
            past.reclaims += 1
            if past.in_vain < PATIENCE:
                self._line.add(number, job, flavors)
            else:
                self._admission.end(number)
        self._cluster.close(node)

    def _may_wait(self) -> bool:
        """Say whether the first that waits would find a place on all nodes that come back; nothing runs."""
        away = self._absences.returning
        if not away:
            return False
        if self._idle_returns >= PATIENCE + len(self._cluster.nodes):
            self._idle_returns = 0
            return False
        for node in away:
            self._cluster.open(node)
        job, flavors = self._line.first
        places = self._places(job, flavors)
        self._remove(self._number[job.demand], places or ())
        for node in away:
            self._cluster.close(node)
        return places is not None

    def _stop(self, number: int) -> _Run:
        run = self._running.pop(number)
        self._remove(self._number[self._jobs[number].demand], run.places)
        self._line.has_room()
        return run

    def _place(self, number: int, job: Job, flavors: Flavors) -> bool:
        """Have a job begin, if all of its pods find a place, or as many as it can do with."""
        places = self._places(job, flavors)
        if places is None:
            return False
        kept_pod_s = self._past[number].kept_pod_s if number in self._past else 0
        ends_s = self._now_s - (kept_pod_s - job.duration_s * job.pods) // len(places)  # rounded up
        self._running[number] = _Run(self._now_s, ends_s, tuple(places), flavors)
        heappush(self._ends, (ends_s, number))
        return True

    def _places(self, job: Job, flavors: Flavors) -> list[Place] | None:
        """Take a place for each pod of a job, or for as many as it can do with; None where there are fewer."""
        among = self._nodes_of(flavors)
        found = (self._places_among(job, each) for each in self._areas(job, among))
        all_of_them = next((each for each in found if each is not None), None)
        if all_of_them is not None or not job.is_elastic:
            return all_of_them
        return self._places_among(job, among, job.pods_min)

    def _areas(self, job: Job, among: NDArray[np.bool_] | None) -> Iterator[NDArray[np.bool_] | None]:
        """Yield where a job's pods are tried together, one area after another; all nodes that it may be on at last."""
        if self._domains is not None and job.pods > 1:
            needed = job.pods * job.demand.total_gpu_millis
            for each in self._domains.tightest(self._cluster.left, needed):
                yield each if among is None else each & among
        yield among

    def _places_among(self, job: Job, among: NDArray[np.bool_] | None, least: int | None = None) -> list[Place] | None:
        """Take a place for each pod; where not all find one, for those that do, if these are enough."""
        demand = self._number[job.demand]
        places: list[Place] = []
        for _ in range(job.pods):
            place = self._cluster.place(demand, among)
            if place is None:
                if least is not None and len(places) >= least:
                    break
                self._remove(demand, places)
                return None
            places.append(place)
        return places

    def _nodes_of(self, flavors: Flavors) -> NDArray[np.bool_] | None:
        """Return which nodes are of all of some flavors; None for all."""
        if flavors not in self._among:
            listed = [self._of_flavor[each] for each in sorted(flavors) if each in self._of_flavor]
            self._among[flavors] = np.logical_and.reduce(listed) if listed else None
        return self._among[flavors]

    def _remove(self, demand: int, places: Sequence[Place]) -> None:
        for place in reversed(places):
            self._cluster.remove(demand, place)
