"""Kueue's scheduler, cycle by cycle: what is admitted, in which order, and what is taken back for it.

In a cycle the first of each queue gets flavors, then they are taken one by one: those first that borrow from nearer,
that matter more, that waited longer. What a cycle has promised nobody else gets in it. Source:
https://kueue.sigs.k8s.io/docs/concepts/cluster_queue/ and https://kueue.sigs.k8s.io/docs/concepts/preemption/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from fairlead.queues.assigning import Assignment, Mode, Oracle, assign
from fairlead.queues.candidates import Cluster, Running
from fairlead.queues.pools import Pool, fits, released, tree
from fairlead.queues.preempting import targets
from fairlead.queues.sharing import fairest
from fairlead.queues.specs import Amounts, ClusterQueue, Cohort, FairSharing, Workload
from fairlead.queues.waiting import Last, Waiting


class Change(NamedTuple):
    """Something that became of a workload: ``admitted``, or ``evicted`` so that others begin.

    Attributes:
        what: Which.
        workload: Its name.
        flavors: What it was given, where it was admitted.
    """

    what: Literal["admitted", "evicted"]
    workload: str
    flavors: frozenset[str] = frozenset()


class _Cycle(NamedTuple):
    """What a cycle has done so far: promised, told to end, changed."""

    promised: list[tuple[Pool, Amounts]]
    preempted: dict[str, Running]
    changes: list[Change]

    def promise(self, pool: Pool, amounts: Amounts) -> None:
        """Keep amounts from others until the cycle's end."""
        pool.use_all(amounts)
        self.promised.append((pool, amounts))


class _Entry:
    """A workload in a cycle."""

    def __init__(self, workload: Workload, assignment: Assignment, taken: list[Running]) -> None:
        self.workload, self.assignment, self.taken = workload, assignment, taken

    @property
    def usage(self) -> Amounts:
        """What it would use."""
        return self.assignment.usage

    @property
    def rank(self) -> tuple[int, int, float, str]:
        return self.assignment.level, -self.workload.priority, self.workload.created, self.workload.uid


class Queues:
    """All queues of a cluster, and what is admitted.

    Args:
        queues: The ClusterQueues.
        cohorts: The cohorts that have more than a name.
        fair: How what is lent is shared, where that is done fairly.

    Attributes:
        is_restless: Whether work was taken back and admitted again without end.
    """

    def __init__(
        self, queues: Iterable[ClusterQueue], cohorts: Iterable[Cohort] = (), fair: FairSharing | None = None
    ) -> None:
        self._queues = {each.name: each for each in queues}
        self._waiting = {name: Waiting(each) for name, each in self._queues.items()}
        pools = tree(self._queues.values(), cohorts)
        self._below: dict[Pool, list[str]] = {}
        for name, pool in pools.items():
            self._below.setdefault(pool.root, []).append(name)
        self._running: dict[str, list[Running]] = {name: [] for name in self._queues}
        self._by_name: dict[str, Running] = {}
        self._open: set[str] = set()
        self._cluster = Cluster(self._queues, pools, self._running, fair)
        self._now = 0.0
        self._cycle = 0
        self._endings = dict.fromkeys(self._queues, 0)
        self._changed: set[Pool] = set()
        self.is_restless = False

    @property
    def admitted(self) -> dict[str, Amounts]:
        """What every admitted workload uses."""
        return {each.workload.name: each.usage for listed in self._running.values() for each in listed}

    @property
    def pending(self) -> set[str]:
        """The names of what waits."""
        return {name for each in self._waiting.values() for name in each.names}

    def usage(self, queue: str) -> Amounts:
        """Return what a queue has in use."""
        return {what: amount for what, amount in self._cluster.pools[queue].used.items() if amount}

    def submit(self, workload: Workload) -> None:
        """Have a workload wait."""
        self._waiting[workload.queue].push(workload)
        self._open.add(workload.queue)

    def finish(self, name: str) -> None:
        """Have a workload end, or wait no longer; those that wait are looked at again."""
        running = self._by_name.get(name)
        if running is not None:
            self._end(running)
            return
        for waiting in self._waiting.values():
            waiting.forget(name)

    def settle(self, now: float) -> list[Change]:
        """Admit and take back until nothing changes any more; returns what became of workloads, in order.

        Where the same work is taken back again and again, as rules can have it that contradict each other, it ends
        after one round of that, and `is_restless` says so.

        Args:
            now: The time, for who was admitted last.
        """
        self._now = now
        found: list[Change] = []
        seen: set[object] = set()
        states: set[object] = set()
        while True:
            entries, changes, evicted = self._run_cycle()
            found += changes
            looked_at = tuple((each.workload.name, each.assignment.mode, each.assignment.tried_all) for each in entries)
            if not changes and (not entries or looked_at in seen):
                if not self._reopen():
                    return found
                seen.clear()
            elif changes:
                seen.clear()
            else:
                seen.add(looked_at)
            if not evicted:
                continue
            state = frozenset((name, *usage.items()) for name, usage in self.admitted.items())
            for running in evicted:  # they have ended before anything else is looked at
                self._end(running)
                self.submit(running.workload)
            if state in states:
                self.is_restless = True
                return found
            states.add(state)

    def _run_cycle(self) -> tuple[list[_Entry], list[Change], list[Running]]:
        """Look at the first of each queue; returns what was looked at, what changed, and what has to end."""
        self._cycle += 1
        heads = [head for name in self._open if (head := self._waiting[name].pop()) is not None]
        self._open = {head.queue for head in heads}
        entries = [self._nominate(head) for head in heads]
        cycle = _Cycle([], {}, [])
        for entry in self._in_order(entries):
            self._process(entry, cycle)
        for pool, amounts in cycle.promised:
            pool.release_all(amounts)
        return entries, cycle.changes, list(cycle.preempted.values())

    def _in_order(self, entries: Iterable[_Entry]) -> Iterator[_Entry]:
        """Yield entries in the order in which they are taken; where sharing is fair, by what is in use at each turn."""
        if self._cluster.fair is None:
            yield from sorted(entries, key=lambda each: each.rank)
            return
        asking = {self._cluster.pools[each.workload.queue]: each for each in entries}
        while asking:
            yield asking.pop(fairest(asking, next(iter(asking))))

    def _nominate(self, workload: Workload) -> _Entry:
        cluster, waiting = self._cluster, self._waiting[workload.queue]
        last = waiting.last.get(workload.name)
        tried = last.tried if last and not self._is_outdated(last, workload.queue) else ()
        pool = cluster.pools[workload.queue]
        assignment = assign(waiting.queue, pool, workload, Oracle(cluster, workload), tried)
        taken = targets(cluster, workload, assignment.needs, assignment.usage) if assignment.mode.takes_back else []
        return _Entry(workload, assignment, taken)

    def _is_outdated(self, last: Last, queue: str) -> bool:
        """Say whether what was tried says nothing any more: it was not just now, and work of the queue has ended."""
        return self._cycle - last.cycle > 1 and self._endings[queue] > last.endings

    def _process(self, entry: _Entry, cycle: _Cycle) -> None:
        """Admit a workload, or have work taken back for it, or let it wait."""
        workload, assignment = entry.workload, entry.assignment
        waiting, pool = self._waiting[workload.queue], self._cluster.pools[workload.queue]
        if assignment.mode == Mode.NO_FIT:
            self._let_wait(waiting, entry)
        elif assignment.mode.takes_back and not entry.taken:
            if waiting.queue.preemption.reclaim != "Any":
                cycle.promise(pool, _reserved(pool, assignment))
            self._let_wait(waiting, entry)
        elif not self._still_fits(entry, cycle):
            self._let_wait(waiting, entry, again=True)
        elif entry.taken:
            cycle.promise(pool, assignment.usage)
            cycle.preempted.update({running.workload.name: running for running in entry.taken})
            cycle.changes.extend(Change("evicted", running.workload.name) for running in entry.taken)
            waiting.last.pop(workload.name, None)
            waiting.preemptor = workload.name
            waiting.push(workload)
        else:
            pool.use_all(assignment.usage)
            waiting.forget(workload.name)
            running = self._by_name[workload.name] = Running(workload, assignment.usage, self._now)
            self._running[workload.queue].append(running)
            flavors = frozenset(what.flavor for what in assignment.usage)
            cycle.changes.append(Change("admitted", workload.name, flavors))

    def _still_fits(self, entry: _Entry, cycle: _Cycle) -> bool:
        """Say whether a workload fits beside what this cycle has promised, and takes nothing that others take too."""
        names = {each.workload.name for each in entry.taken}
        if not names.isdisjoint(cycle.preempted):
            return False
        pools = self._cluster.pools
        gone = [*cycle.preempted.values(), *entry.taken]
        with released((pools[each.workload.queue], each.usage) for each in gone):
            return fits(pools[entry.workload.queue], entry.assignment.usage)

    def _let_wait(self, waiting: Waiting, entry: _Entry, *, again: bool = False) -> None:
        """Have a workload wait until something ends, or be looked at again.

        It is where it did not get what there was, has more flavors to try, or is the first of a strict queue.
        """
        name, assignment = entry.workload.name, entry.assignment
        waiting.last[name] = Last(assignment.tried, self._cycle, self._endings[waiting.queue.name])
        is_open = again or waiting.queue.strategy == "StrictFIFO" or not assignment.tried_all
        waiting.push(entry.workload, closed=not is_open)

    def _end(self, running: Running) -> None:
        """Have work end; those that wait in its cohorts are looked at again, once nothing else changes."""
        queue = running.workload.queue
        self._running[queue].remove(running)
        del self._by_name[running.workload.name]
        self._cluster.pools[queue].release_all(running.usage)
        self._endings[queue] += 1
        self._changed.add(self._cluster.pools[queue].root)

    def _reopen(self) -> bool:
        """Have all that waits where something has ended looked at again; returns whether there is any."""
        names = [name for root in self._changed for name in self._below[root]]
        self._changed.clear()
        found = {name for name in names if self._waiting[name].reopen()}
        self._open |= found
        return bool(found)


def _reserved(pool: Pool, assignment: Assignment) -> Amounts:
    """Return what is kept for a workload that nothing can be taken back for, so that others do not get it before."""
    found: Amounts = {}
    for what, amount in assignment.usage.items():
        quota, used = pool.quotas[what], pool.used.get(what, 0)
        if assignment.level == 0:
            found[what] = max(0, min(amount, quota.nominal - used))
        elif quota.borrowing_limit is None:
            found[what] = amount
        else:
            found[what] = min(amount, quota.nominal + quota.borrowing_limit - used)
    return found
