"""What becomes of work that comes over time: when it is admitted, how often it is taken back, and when it ends.

Work that is taken back begins anew when it is admitted again, less what its last checkpoint has kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

import msgspec

from fairlead.queues.admission import Queues
from fairlead.queues.specs import ClusterQueue, Cohort, Workload


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """Work that comes.

    Attributes:
        workload: The work; it comes at ``workload.created``.
        runtime: How long it runs, in the same unit.
        checkpoint: How often it keeps what it has done: what it did since is lost with it. None where it keeps nothing.
    """

    workload: Workload
    runtime: float
    checkpoint: float | None = None


class Outcome(msgspec.Struct, kw_only=True):
    """What became of work.

    Attributes:
        name: Its name.
        queue: Its queue.
        created: When it came.
        admitted: When it was admitted last; None where it never was.
        finished: When it ended; None where it did not.
        evictions: How often it was taken back.
        lost: How long it ran in vain.
    """

    name: str
    queue: str
    created: float
    admitted: float | None = None
    finished: float | None = None
    evictions: int = 0
    lost: float = 0.0


class _Work:
    def __init__(self, arrival: Arrival) -> None:
        workload = arrival.workload
        self.arrival, self.left = arrival, arrival.runtime
        self.outcome = Outcome(name=workload.name, queue=workload.queue, created=workload.created)
        self.round = 0

    def taken_back(self, now: float) -> None:
        """Lose what it did since its last checkpoint."""
        assert self.outcome.admitted is not None
        ran, every = now - self.outcome.admitted, self.arrival.checkpoint
        kept = 0.0 if every is None else ran - ran % every
        self.left -= kept
        self.outcome.lost += ran - kept
        self.outcome.evictions += 1
        self.round += 1


def replay(queues: Iterable[ClusterQueue], cohorts: Iterable[Cohort], arrivals: Iterable[Arrival]) -> list[Outcome]:
    """Play what comes; returns what became of it, in the order in which it came.

    Args:
        queues: The ClusterQueues.
        cohorts: The cohorts that have more than a name.
        arrivals: What comes, in any order.
    """
    system = Queues(queues, cohorts)
    work = {each.workload.name: _Work(each) for each in sorted(arrivals, key=lambda each: each.workload.created)}
    events = [(each.arrival.workload.created, number, name, -1) for number, (name, each) in enumerate(work.items())]
    heapify(events)
    while events:
        now = events[0][0]
        while events and events[0][0] == now:
            _, number, name, round_ = heappop(events)
            each = work[name]
            if round_ < 0:
                system.submit(each.arrival.workload)
            elif round_ == each.round:
                system.finish(name)
                each.outcome.finished = now
        for change in system.settle(now):
            each = work[change.workload]
            if change.what == "evicted":
                each.taken_back(now)
            else:
                each.outcome.admitted = now
                number += 1
                heappush(events, (now + each.left, number, change.workload, each.round))
    return [each.outcome for each in work.values()]
