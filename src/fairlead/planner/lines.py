"""Jobs that wait: who may begin next, by the rules that Kueue's queues have.

Source: https://kueue.sigs.k8s.io/docs/concepts/cluster_queue/#queueing-strategy
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Literal, NamedTuple

from fairlead.planner.admitting import NONE, Flavors
from fairlead.planner.workloads import Demand, Job

Strategy = Literal["StrictFIFO", "BestEffortFIFO"]
STRICT: Strategy = "StrictFIFO"
BEST_EFFORT: Strategy = "BestEffortFIFO"
STRATEGIES = (STRICT, BEST_EFFORT)


class _Rank(NamedTuple):
    """The order of jobs: of a higher priority first, then those that came first."""

    priority: int
    number: int


_Alike = tuple[Demand, int, int | None, Flavors]
"""What jobs ask for, in how many pods, in how few, and on which nodes: where one finds no place, none does."""


def _rank(number: int, job: Job) -> _Rank:
    return _Rank(-job.priority, number)


def _alike(job: Job, flavors: Flavors) -> _Alike:
    return job.demand, job.pods, job.pods_min, flavors


class Line:
    """The jobs that wait.

    Args:
        strategy: With ``StrictFIFO`` nobody passes the first one; with ``BestEffortFIFO`` those behind it may begin
            where it can't.
    """

    def __init__(self, strategy: str) -> None:
        self._strict = strategy == STRICT
        self._waiting: defaultdict[_Alike, list[_Rank]] = defaultdict(list)
        self._stuck: set[_Alike] = set()
        self._jobs: dict[int, tuple[Job, Flavors]] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, number: int, job: Job, flavors: Flavors = NONE) -> None:
        """Have a job wait; `number` is its place among all, `flavors` are those of the nodes that it may be on."""
        self._jobs[number] = job, flavors
        heappush(self._waiting[_alike(job, flavors)], _rank(number, job))

    def leave(self, number: int) -> None:
        """Have a job wait no longer."""
        job, flavors = self._jobs.pop(number)
        alike = _alike(job, flavors)
        ranks = self._waiting[alike]
        ranks.remove(_rank(number, job))
        heapify(ranks)
        if not ranks:
            del self._waiting[alike]

    def has_room(self) -> None:
        """Say that something has ended: whoever found no place may find one now."""
        self._stuck.clear()

    def begin(self, place: Callable[[int, Job, Flavors], bool]) -> None:
        """Have those begin that can, in their order.

        Args:
            place: Finds a job a place; False where there is none.
        """
        heads = [
            (ranks[0], alike) for alike, ranks in self._waiting.items() if self._strict or alike not in self._stuck
        ]
        heapify(heads)
        while heads:
            rank, alike = heappop(heads)
            if alike in self._stuck or not place(rank.number, *self._jobs[rank.number]):
                self._stuck.add(alike)
                if self._strict:
                    return
                continue
            self._remove(rank, alike)
            if alike in self._waiting:
                heappush(heads, (self._waiting[alike][0], alike))

    @property
    def first(self) -> tuple[Job, Flavors]:
        """The first job, and of which flavors the nodes are that it may be on."""
        return self._jobs[self._first[0].number]

    def drop_first(self) -> int:
        """Have the first job wait no longer, as it can never begin; returns its number."""
        rank, alike = self._first
        self._remove(rank, alike)
        self._stuck.clear()
        return rank.number

    @property
    def _first(self) -> tuple[_Rank, _Alike]:
        return min(((ranks[0], alike) for alike, ranks in self._waiting.items()), key=lambda each: each[0])

    def _remove(self, rank: _Rank, alike: _Alike) -> None:
        del self._jobs[rank.number]
        heappop(self._waiting[alike])
        if not self._waiting[alike]:
            del self._waiting[alike]
