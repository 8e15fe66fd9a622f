"""Whose work is taken back so that other work can begin: as little as will do, the least important first.

Source: https://kueue.sigs.k8s.io/docs/concepts/preemption/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from functools import partial
from typing import NamedTuple

from fairlead.queues.candidates import Cluster, Running, in_same_queue, may, pool_of, rank, without_the_needless
from fairlead.queues.fair_preempting import fair_targets
from fairlead.queues.pools import Pool, fits
from fairlead.queues.specs import Amounts, ClusterQueue, FlavorResource, Workload


class _Candidate(NamedTuple):
    running: Running
    meeting: Pool | None
    """The lowest pool above both queues; None in the same queue."""
    only_without_borrowing: bool


def targets(
    cluster: Cluster, workload: Workload, needs: Set[FlavorResource], asked: Mapping[FlavorResource, int]
) -> list[Running]:
    """Return what is taken back so that a workload fits; empty where nothing would help.

    Args:
        cluster: What there is. It is changed meanwhile, and is as before at the end.
        workload: What is to begin.
        needs: What there is not enough of.
        asked: All that it needs.
    """
    queue, pool = cluster.queues[workload.queue], cluster.pools[workload.queue]
    if cluster.fair is not None:
        return fair_targets(cluster, cluster.fair, workload, needs, asked)
    own = (_Candidate(each, None, only_without_borrowing=False) for each in in_same_queue(cluster, workload, needs))
    same = _ordered(own, workload)
    nearer, others = (_ordered(each, workload) for each in _in_cohort(cluster, workload, needs, asked))
    candidates = [*nearer, *others, *same]
    forbidden = queue.preemption.borrow_within is None
    under = all(pool.used.get(what, 0) < pool.total.get(what, 0) for what in needs)
    if not (nearer or others) or (forbidden and not under):
        ways = [True]
    elif forbidden and not nearer:
        ways = [False, True]
    else:
        ways = [True, False]
    for borrowing in ways:
        found = _take(cluster, pool, candidates, needs, asked, borrowing=borrowing)
        if found:
            return found
    return []


def _take(
    cluster: Cluster,
    pool: Pool,
    candidates: Iterable[_Candidate],
    needs: Set[FlavorResource],
    asked: Mapping[FlavorResource, int],
    *,
    borrowing: bool,
) -> list[Running]:
    """Take candidates until it fits, then give back those without which it fits as well."""
    suffices = partial(_fits, pool, asked, borrowing=borrowing)
    taken: list[Running] = []
    try:
        for each in candidates:
            if _counts(cluster, pool, each, needs, borrowing=borrowing):
                pool_of(cluster, each.running).release_all(each.running.usage)
                taken.append(each.running)
                if suffices():
                    return without_the_needless(cluster, taken, suffices)
        return []
    finally:
        for running in taken:
            pool_of(cluster, running).use_all(running.usage)


def _counts(
    cluster: Cluster, pool: Pool, candidate: _Candidate, needs: Set[FlavorResource], *, borrowing: bool
) -> bool:
    """Say whether a candidate may be taken, as things are now: only from queues and cohorts that borrow."""
    own = pool_of(cluster, candidate.running)
    if own is pool:
        return True
    if (borrowing and candidate.only_without_borrowing) or own.is_within(needs):
        return False
    for above in own.above:
        if above is candidate.meeting:
            break
        if above.is_within(needs):
            return False
    return True


def _in_cohort(
    cluster: Cluster, workload: Workload, needs: Set[FlavorResource], asked: Mapping[FlavorResource, int]
) -> tuple[list[_Candidate], list[_Candidate]]:
    """Return those over whom the workload has the advantage of being nearer to the quota, and the others."""
    queue, pool = cluster.queues[workload.queue], cluster.pools[workload.queue]
    nearer: list[_Candidate] = []
    others: list[_Candidate] = []
    if queue.preemption.reclaim == "Never":
        return nearer, others
    is_nearer, left = _within_guarantee(pool, asked)
    before: Pool | None = None
    for above in pool.above:
        for running in _borrowers(cluster, above, pool, before, needs):
            if needs.isdisjoint(running.usage) or not may(queue.preemption.reclaim, workload, running.workload):
                continue
            held = not is_nearer and _only_without_borrowing(queue, workload, running.workload)
            (nearer if is_nearer else others).append(_Candidate(running, above, held))
        is_guaranteed, left = _within_guarantee(above, left)
        is_nearer, before = is_nearer or is_guaranteed, above
    return nearer, others


def _borrowers(
    cluster: Cluster, top: Pool, own: Pool, skipped: Pool | None, needs: Set[FlavorResource]
) -> Iterator[Running]:
    """Yield what runs in queues below a pool that borrow, through cohorts that borrow."""
    for child in top.children:
        if child is own or child is skipped or child.is_within(needs):
            continue
        if cluster.pools.get(child.name) is child:
            yield from cluster.running[child.name]
        else:
            yield from _borrowers(cluster, child, own, skipped, needs)


def _within_guarantee(pool: Pool, asked: Mapping[FlavorResource, int]) -> tuple[bool, Amounts]:
    """Say whether a pool guarantees amounts beside what is in use, and return what is asked of the pool above."""
    fits = all(pool.total.get(what, 0) >= pool.used.get(what, 0) + amount for what, amount in asked.items())
    return fits, {what: max(0, amount - pool.kept_and_free(what)) for what, amount in asked.items()}


def _only_without_borrowing(queue: ClusterQueue, workload: Workload, other: Workload) -> bool:
    rules = queue.preemption.borrow_within
    if rules is None or other.priority >= workload.priority:
        return True
    return rules.threshold is not None and other.priority > rules.threshold


def _ordered(candidates: Iterable[_Candidate], workload: Workload) -> list[_Candidate]:
    """Put those first that are of other queues, matter least, and have begun last."""
    return sorted(candidates, key=lambda each: rank(each.running, workload.queue))


def _fits(pool: Pool, asked: Mapping[FlavorResource, int], *, borrowing: bool) -> bool:
    return fits(pool, asked) and (borrowing or not any(pool.borrows(what, amount) for what, amount in asked.items()))
