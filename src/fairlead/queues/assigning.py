"""Which flavors a workload gets: for each group of resources the first that will do, by the queue's rules.

Source: https://kueue.sigs.k8s.io/docs/concepts/cluster_queue/#flavorfungibility
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from fairlead.queues.candidates import Cluster
from fairlead.queues.pools import Pool, released
from fairlead.queues.preempting import targets
from fairlead.queues.specs import Amounts, ClusterQueue, FlavorResource, Fungibility, ResourceGroup, Workload

Tried = tuple[Mapping[str, int], ...]
"""For each pod set, by resource: which flavor was tried last; -1 where all were."""
_FAR = 1 << 30


class Mode(IntEnum):
    """How a flavor can be had, the worst first."""

    NO_FIT = 0
    NOTHING_TO_TAKE = 1
    PREEMPT = 2
    RECLAIM = 3
    FIT = 4

    @property
    def takes_back(self) -> bool:
        """Whether work of others has to end first."""
        return Mode.NO_FIT < self < Mode.FIT


class Chosen(NamedTuple):
    """The flavor of a resource: how it can be had, and how far up is borrowed."""

    flavor: str
    mode: Mode
    level: int
    tried: int


class Assignment(NamedTuple):
    """The flavors of a workload.

    Attributes:
        mode: How all of it can be had.
        usage: What it uses.
        needs: What work has to be taken back for.
        level: How far up is borrowed.
        tried: What was tried last.
    """

    mode: Mode
    usage: Amounts
    needs: frozenset[FlavorResource] = frozenset()
    level: int = 0
    tried: Tried = ()

    @property
    def tried_all(self) -> bool:
        """Whether there is no flavor left to try."""
        return all(number == -1 for tried in self.tried for number in tried.values())


class _Rank(NamedTuple):
    mode: Mode
    level: int

    def is_better(self, other: _Rank, rules: Fungibility) -> bool:
        if Mode.NO_FIT in (self.mode, other.mode):
            return self.mode != Mode.NO_FIT
        if (self.mode == Mode.NOTHING_TO_TAKE) != (other.mode == Mode.NOTHING_TO_TAKE):
            return self.mode != Mode.NOTHING_TO_TAKE
        if rules.preference == "PreemptionOverBorrowing":
            return (-self.level, self.mode) > (-other.level, other.mode)
        return (self.mode, -self.level) > (other.mode, -other.level)

    def goes_on(self, rules: Fungibility) -> bool:
        """Say whether the next flavor is tried."""
        return (
            self.mode <= Mode.NOTHING_TO_TAKE
            or (self.mode.takes_back and rules.when_can_preempt == "TryNextFlavor")
            or (self.level > 0 and rules.when_can_borrow == "TryNextFlavor")
        )


class Oracle:
    """Says what a workload can have by taking work back.

    Args:
        cluster: What there is.
        workload: The workload.

    Attributes:
        while_borrowing: Whether it may take work back even where it borrows then.
    """

    def __init__(self, cluster: Cluster, workload: Workload) -> None:
        self._cluster, self._workload = cluster, workload
        rules = cluster.queues[workload.queue].preemption
        self.while_borrowing = rules.borrow_within is not None or (
            cluster.fair is not None and rules.reclaim != "Never"
        )

    def ask(self, what: FlavorResource, amount: int) -> tuple[Mode, int]:
        """Return how an amount can be had, and how far up would be borrowed then."""
        pool = self._cluster.pools[self._workload.queue]
        taken = targets(self._cluster, self._workload, frozenset({what}), {what: amount})
        if not taken:
            return Mode.NOTHING_TO_TAKE, pool.level(what, amount)[0]
        with released((self._cluster.pools[each.workload.queue], each.usage) for each in taken):
            level = pool.level(what, amount)[0]
        is_own = any(each.workload.queue == self._workload.queue for each in taken)
        return (Mode.PREEMPT if is_own else Mode.RECLAIM), level


def assign(queue: ClusterQueue, pool: Pool, workload: Workload, oracle: Oracle, last: Tried = ()) -> Assignment:
    """Choose flavors for a workload.

    Args:
        queue: The queue that it waits in.
        pool: That queue's quota, as it is now.
        workload: The workload.
        oracle: Asked where there is not enough.
        last: What was tried last time: the flavors after it are tried.
    """
    usage: Amounts = {}
    needs: set[FlavorResource] = set()
    tried: list[dict[str, int]] = []
    modes, level = [Mode.FIT], 0
    for number, asked in enumerate(workload.pod_sets):
        chosen: dict[str, Chosen] = {}
        for resource in asked:
            if resource in chosen:
                continue
            group = next((each for each in queue.groups if resource in each.resources), None)
            if group is None:
                if not asked[resource]:
                    continue
                return Assignment(Mode.NO_FIT, {})
            begin = last[number].get(resource, -1) + 1 if number < len(last) else 0
            found = _choose(queue, pool, group, workload, asked, usage, oracle, begin)
            if not found:
                return Assignment(Mode.NO_FIT, {})
            chosen |= found
        for resource, each in chosen.items():
            what = FlavorResource(each.flavor, resource)
            usage[what] = usage.get(what, 0) + asked[resource]
            level = max(level, each.level)
            modes.append(each.mode)
            if each.mode.takes_back:
                needs.add(what)
        tried.append({resource: each.tried for resource, each in chosen.items()})
    return Assignment(min(modes), usage, frozenset(needs), level, tuple(tried))


def _choose(
    queue: ClusterQueue,
    pool: Pool,
    group: ResourceGroup,
    workload: Workload,
    asked: Mapping[str, int],
    usage: Mapping[FlavorResource, int],
    oracle: Oracle,
    begin: int,
) -> dict[str, Chosen]:
    """Choose the flavor of a group of resources; empty where none will do."""
    rules, best, best_rank, at = queue.fungibility, {}, _Rank(Mode.NO_FIT, _FAR), -1
    wanted = {resource: amount for resource, amount in asked.items() if resource in group.resources}
    for at in range(begin, len(group.flavors)):
        flavor = group.flavors[at].name
        if workload.flavors is not None and flavor not in workload.flavors:
            continue
        found: dict[str, Chosen] = {}
        rank = _Rank(Mode.FIT, 0)
        for resource, amount in wanted.items():
            what = FlavorResource(flavor, resource)
            mode, level = _fits(pool, what, usage.get(what, 0) + amount, oracle)
            if rank.is_better(_Rank(mode, level), rules):
                rank = _Rank(mode, level)
            if rank.mode == Mode.NO_FIT:
                break
            found[resource] = Chosen(flavor, mode, level, -1)
        if not rank.goes_on(rules):
            best, best_rank = found, rank
            break
        if rank.is_better(best_rank, rules):
            best, best_rank = found, rank
    tried = -1 if at == len(group.flavors) - 1 else at
    return {resource: each._replace(tried=tried) for resource, each in best.items()}


def _fits(pool: Pool, what: FlavorResource, amount: int, oracle: Oracle) -> tuple[Mode, int]:
    """Say how an amount can be had, and how far up is borrowed then."""
    if amount > pool.potential(what):
        return Mode.NO_FIT, 0
    level, may_reclaim = pool.level(what, amount)
    if amount <= max(0, pool.available(what)):
        return Mode.FIT, level
    if pool.total.get(what, 0) >= amount or may_reclaim or oracle.while_borrowing:
        return oracle.ask(what, amount)
    return Mode.NO_FIT, level
