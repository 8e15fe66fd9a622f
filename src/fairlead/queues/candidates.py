"""What can be taken back so that other work can begin, and in which order it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from typing import NamedTuple

from fairlead.queues.pools import Pool
from fairlead.queues.specs import Amounts, ClusterQueue, FairSharing, FlavorResource, Workload


class Running(NamedTuple):
    """Work that was admitted.

    Attributes:
        workload: The work.
        usage: What it uses.
        since: When it was admitted.
    """

    workload: Workload
    usage: Amounts
    since: float


class Cluster(NamedTuple):
    """All queues with their quotas, what runs, and whether what is lent is shared fairly."""

    queues: Mapping[str, ClusterQueue]
    pools: Mapping[str, Pool]
    running: Mapping[str, list[Running]]
    """By queue."""
    fair: FairSharing | None = None


def in_same_queue(cluster: Cluster, workload: Workload, needs: Set[FlavorResource]) -> Iterator[Running]:
    """Yield the work of a workload's own queue whose place it may take."""
    policy = cluster.queues[workload.queue].preemption.within
    for running in cluster.running.get(workload.queue, ()):
        if not needs.isdisjoint(running.usage) and may(policy, workload, running.workload):
            yield running


def may(policy: str, workload: Workload, other: Workload) -> bool:
    """Say whether a policy lets a workload take the place of another one."""
    if policy == "Any":
        return True
    if policy == "LowerOrNewerEqualPriority" and workload.priority == other.priority:
        return workload.created < other.created
    return policy != "Never" and workload.priority > other.priority


def rank(running: Running, queue: str) -> tuple[bool, int, float, str]:
    """Return who is taken first: who is of other queues than this one, matters least, and has begun last."""
    other = running.workload
    return other.queue == queue, other.priority, -running.since, other.uid


def without_the_needless(cluster: Cluster, taken: list[Running], suffices: Callable[[], bool]) -> list[Running]:
    """Return those that must go; `taken` then has exactly them."""
    for number in range(len(taken) - 2, -1, -1):
        running = taken[number]
        pool_of(cluster, running).use_all(running.usage)
        if suffices():
            taken[number] = taken[-1]
            taken.pop()
        else:
            pool_of(cluster, running).release_all(running.usage)
    return list(taken)


def pool_of(cluster: Cluster, running: Running) -> Pool:
    """Return the quota of the queue that work is of."""
    return cluster.pools[running.workload.queue]
