"""How far a run is: a pure function of its graph and its records, kept up as records come.

The engines ask it what may start next, and the reports what everything's status is, so that there is one
reading of a run. Applying a record twice, or in another order, gives the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from fairlead.specs import graphs
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.status import ENDED, StepStatus
from fairlead.specs.steps import Step
from fairlead.specs.values import Ref
from fairlead.store import verdicts
from fairlead.store.known import Sorted, is_attempt, is_success, key_of, time_of
from fairlead.store.records import (
    AttemptRecord,
    Cached,
    Called,
    Ended,
    Evidence,
    Observation,
    Outcome,
    RunStatusChanged,
    Started,
    Superseded,
)


class Instance:
    """One instance of a step: a plain node, an item of a mapped one, or a driver's call.

    Attributes:
        status: The word for how it is doing.
        attempts: Its ended attempts by number.
        running: Number and start time of the attempt under way, or None.
        outcome: What it produced, once it has succeeded.
        held: What it produced before the run was resumed with other code; it may not count any more.
        reason: Why it is blocked, skipped or failed, in words.
        pod_uid: The uid of the pod of the attempt under way.
        evidence: What was seen of its pods, by uid and transition.
    """

    __slots__ = (
        "attempts",
        "cached",
        "call",
        "evidence",
        "finished",
        "held",
        "index",
        "item",
        "name",
        "node",
        "outcome",
        "pod_uid",
        "reason",
        "running",
        "status",
        "step",
        "waiting",
    )  # fmt: skip

    def __init__(self, name: str, index: int, step: Step, *, node: int = -1, item: int | None = None) -> None:
        self.name = name
        self.index = index
        self.step = step
        self.node = node
        self.item = item
        self.call: Called | None = None
        self.clear()

    def clear(self) -> None:
        """Forget all that became of it."""
        self.status: StepStatus = "pending"
        self.attempts: dict[int, AttemptRecord] = {}
        self.running: tuple[int, float] | None = None
        self.outcome: Outcome | None = None
        self.cached: Cached | None = None
        self.held: Cached | Ended | None = None
        self.reason: str | None = None
        self.pod_uid = ""
        self.evidence: dict[tuple[str, str], Evidence] = {}
        self.finished: float | None = None
        self.waiting = 0

    @property
    def key(self) -> tuple[str, int]:
        """Its name and index."""
        return self.name, self.index

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.status in ENDED

    def __repr__(self) -> str:
        return f"<{self.name}.{self.index} {self.status}>"


class _NodeState:
    __slots__ = ("count", "dependents", "instances", "open", "status", "streams", "unsettled", "verdict")

    def __init__(self) -> None:
        self.instances: list[Instance] = []
        self.count: int | None = None  # known once the node is expanded
        self.open = 0  # instances that have not ended
        self.status: StepStatus = "pending"  # of the node as a whole, once every instance has ended
        self.unsettled = 0  # nodes it waits for, streamed ones counted until they are expanded
        self.dependents: list[int] = []
        self.streams: list[int] = []  # mapped nodes over this mapped one, item by item
        self.verdict: StepStatus | None = None  # why it has one instance that stands for all, and never ran


class Progress:
    """The state of every instance of a run.

    Args:
        graph: The run's graph.
        count_items: Returns how many items a list value has, by the reference that lists them; asked when a
            mapped node becomes ready whose length is known at run time only.
        constants: The items of each mapped constant, by name.
        records: What is known already, in any order.
        resume: Whether what failed or was cancelled so far is to be tried again.
        hold: Whether what succeeded so far is only kept in mind, until `accept` says that it still counts.
        is_kept: Says whether a value is there; a success counts only where all that it produced is.

    Attributes:
        records: What is known: what was given, and what was applied since, in order.
    """

    def __init__(
        self,
        graph: Graph,
        count_items: Callable[[Ref], int],
        *,
        constants: Mapping[str, Ref] | None = None,
        records: Iterable[Observation] = (),
        resume: bool = False,
        hold: bool = False,
        is_kept: Callable[[Ref], bool] | None = None,
    ) -> None:
        self.graph = graph
        self.records = list(records)
        self.instances: dict[tuple[str, int], Instance] = {}
        self._given = len(self.records)
        self._count_items = count_items
        self._constants = constants or {}
        self._resume = resume
        self._hold = hold
        self._is_kept = is_kept
        self._streamed = [verdicts.streamed(graph, node) for node in graph.nodes]
        self._former: dict[tuple[str, int], Instance] = {}
        self._build()

    def _build(self) -> None:
        """Read the state off the records, anew; an instance that was there stays the object that others know."""
        self._former |= self.instances
        self.instances = {}
        self.calls: dict[str, Instance] = {}
        self.run: RunStatusChanged | None = None
        self._nodes = [_NodeState() for _ in self.graph.nodes]
        self._open_nodes = len(self._nodes)
        self._ready: deque[Instance] = deque()
        self._closed: deque[int] = deque()
        self._sorted = Sorted()
        calls = self._sort_in()
        self._link()
        for call in calls:
            self._apply_call(call)
        self._settle()

    # What engines ask --------------------------------------------------------------------------

    def take_ready(self) -> Iterator[Instance]:
        """Yield each instance that may start now, once; more may come while this is consumed."""
        while self._ready:
            instance = self._ready.popleft()
            if instance.status == "pending":
                yield instance

    @property
    def done(self) -> bool:
        """Whether no node is left that may still run."""
        return not self._open_nodes

    def node_of(self, instance: Instance) -> Node | None:
        """Return the node of an instance, or None for a driver's call."""
        return self.graph.nodes[instance.node] if instance.node >= 0 else None

    def instances_of(self, node: int) -> list[Instance]:
        """Return the instances of a node, as far as they are known."""
        return self._nodes[node].instances

    def is_expanded(self, node: int) -> bool:
        """Say whether a node's instances are known."""
        return self._nodes[node].count is not None

    def chosen(self, options: Iterable[graphs.Binding]) -> graphs.Binding | None:
        """Return the first of some bindings whose steps were not skipped."""
        return verdicts.chosen(self.status_of, options)

    # What verdicts ask: see `fairlead.store.verdicts.View` ------------------------------------------

    def status_of(self, node: int) -> StepStatus:
        """Return the status of a node as a whole."""
        return self._nodes[node].status

    def barred(self, node: int) -> StepStatus | None:
        """Return why a mapped node has no items."""
        return self._nodes[node].verdict

    def outcome_of(self, node: int) -> Outcome | None:
        """Return what a plain node produced."""
        return self._nodes[node].instances[0].outcome

    def count_of(self, node: int) -> int:
        """Return how many instances a mapped node has."""
        return self._nodes[node].count or 0

    def count_items(self, ref: Ref) -> int:
        """Return how many items a list value has."""
        return self._count_items(ref)

    def constant_items(self, name: str) -> Ref:
        """Return the reference that lists the items of a mapped constant."""
        return self._constants[name]

    # What changes it ---------------------------------------------------------------------------

    def apply(self, observation: Observation) -> Instance | None:
        """Take in an observation; returns the instance it is about, where there is one.

        Where a result that others had does not count any more, those others are unknown until it is there again.
        """
        self.records.append(observation)
        if isinstance(observation, RunStatusChanged):
            self._apply_run(observation)
            return None
        if isinstance(observation, Called):
            return self._apply_call(observation)
        instance = self.instances.get(key_of(observation))
        if instance is None:  # a record of an item that is not known yet
            self._sorted.add(observation)
            return None
        if isinstance(observation, Superseded):
            self._supersede(instance, observation)
        elif _comes_late(instance, observation):
            self._build()
        else:
            self._apply_to(instance, observation)
        self._settle()
        return instance

    def accept(self, instance: Instance) -> None:
        """Let what an instance produced before count."""
        assert instance.held is not None
        held, instance.held = instance.held, None
        self._take(instance, held)
        self._settle()

    def fail(self, instance: Instance, reason: str) -> None:
        """Mark an instance as failed without an attempt."""
        instance.reason = reason
        self._end(instance, "failed")
        self._settle()

    def cancel(self, instance: Instance) -> None:
        """Mark an instance as cancelled."""
        instance.running = None
        self._end(instance, "cancelled")
        self._settle()

    def cancel_open(self) -> None:
        """Mark everything that has not ended as cancelled."""
        for instance in list(self.instances.values()):
            self.cancel(instance)

    # Records -----------------------------------------------------------------------------------

    def _sort_in(self) -> list[Called]:
        """Keep what is known by instance, until the instances exist; returns the calls by position."""
        calls: list[Called] = []
        for number, record in enumerate(self.records):
            if isinstance(record, RunStatusChanged):
                self._apply_run(record)
            elif isinstance(record, Called):
                calls.append(record)
            else:
                self._sorted.add(record, past=number < self._given)
        return sorted(calls, key=lambda call: (call.parent, call.position))

    def _supersede(self, instance: Instance, superseded: Superseded) -> None:
        self._sorted.add(superseded)
        if instance.held is not None and not self._sorted.counts(instance.held):
            instance.held = None
        if instance.outcome is not None and (instance.finished or 0.0) <= superseded.time:
            self._build()

    def _apply_run(self, change: RunStatusChanged) -> None:
        if self.run is None or change.time >= self.run.time:
            self.run = change

    def _apply_to(self, instance: Instance, observation: Observation) -> None:
        match observation:
            case Started():
                latest = max(instance.attempts, default=0) if instance.running is None else instance.running[0]
                if observation.waiting and not instance.ended:
                    instance.status, instance.reason = "waiting-quota", observation.waiting
                elif observation.number > latest and not instance.ended:
                    instance.running = (observation.number, observation.time)
                    instance.pod_uid = observation.pod_uid
                    instance.status = "running"
            case Evidence():
                instance.evidence.setdefault((observation.uid, observation.transition), observation)
            case Cached() if instance.outcome is None and self._sorted.counts(observation):
                instance.cached = observation
                self._succeed(instance, observation.entry.outcome, observation.time)
            case Ended(record=record) if record.number not in instance.attempts:
                instance.attempts[record.number] = record
                if instance.running is not None and instance.running[0] <= record.number:
                    instance.running = None
                if record.status == "succeeded" and self._sorted.counts(observation):
                    self._succeed(instance, record.outcome, record.finished)
                elif not instance.ended and record.number == max(instance.attempts):
                    self._fall(instance, record)

    def _take(self, instance: Instance, success: Cached | Ended) -> None:
        if isinstance(success, Cached):
            self._apply_to(instance, success)
            return
        instance.attempts[success.record.number] = success.record
        self._succeed(instance, success.record.outcome, success.record.finished)

    def _succeed(self, instance: Instance, outcome: Outcome, time: float) -> None:
        if instance.outcome is None:
            instance.outcome = outcome
            instance.finished = time
            instance.reason = None
            self._end(instance, "succeeded")

    def _fall(self, instance: Instance, record: AttemptRecord) -> None:
        """Take in that an attempt gave nothing that counts."""
        superseded = record.status == "succeeded"
        instance.reason = record.error.message if record.error else None
        instance.finished = None if superseded else record.finished
        if record.retry or superseded:
            instance.status = "pending" if instance.running is None else "running"
        else:
            self._end(instance, "cancelled" if record.status == "cancelled" else "failed")

    def _recall(self, instance: Instance) -> None:
        """Take in what was known of an instance before it existed: whatever the order, a success decides."""
        past, since = self._sorted.take(instance.key)
        known = [*past, *since]
        counting = [each for each in known if is_success(each) and self._sorted.counts(each)]
        successes = sorted(filter(self._is_whole, counting), key=time_of)[-1:]
        for superseded in known:
            if is_attempt(superseded, succeeded=True) and superseded not in successes:
                instance.attempts[superseded.record.number] = superseded.record
        # By number: a record that is there twice is one.
        failures = {each.record.number: each for each in known if is_attempt(each, succeeded=False)}
        open_again = self._resume and not any(is_attempt(each, succeeded=False) for each in since)
        decided = bool(successes) or open_again
        for number in sorted(failures)[: None if decided else -1]:
            instance.attempts[number] = failures[number].record
        if failures and not decided:
            self._apply_to(instance, failures[max(failures)])
        for success in successes:
            if self._hold and any(success is each for each in past):
                instance.held = success
            else:
                self._take(instance, success)
        if isinstance(instance.held, Ended):
            instance.attempts[instance.held.record.number] = instance.held.record
        for started in since if self._resume else known:
            if isinstance(started, Started):
                self._apply_to(instance, started)
        for seen in known:
            if isinstance(seen, Evidence):
                self._apply_to(instance, seen)

    def _is_whole(self, success: Cached | Ended) -> bool:
        outcome = success.record.outcome if isinstance(success, Ended) else success.entry.outcome
        return self._is_kept is None or all(map(self._is_kept, (*outcome.outputs, *outcome.items)))

    def _apply_call(self, call: Called) -> Instance:
        known = self.calls.get(call.identity)
        if known is not None:
            return known
        instance = self._instance(call.step, call.index, call.definition)
        instance.call = call
        self.calls[call.identity] = instance
        self.instances[instance.key] = instance
        self._recall(instance)
        if instance.status == "pending":
            self._ready.append(instance)
        return instance

    def _instance(self, name: str, index: int, step: Step, *, node: int = -1, item: int | None = None) -> Instance:
        former = self._former.get((name, index))
        if former is None:
            return Instance(name, index, step, node=node, item=item)
        former.clear()
        return former

    # The graph ---------------------------------------------------------------------------------

    def _link(self) -> None:
        for number, node in enumerate(self.graph.nodes):
            for other in graphs.needs(node):
                self._nodes[number].unsettled += 1
                target = self._nodes[other]
                (target.streams if other in self._streamed[number] else target.dependents).append(number)
        for number in [number for number, state in enumerate(self._nodes) if not state.unsettled]:
            self._expand(number)
        self._settle()

    def _settle(self) -> None:
        """Expand what waited for nodes that have ended; a queue, so that a long chain is no deep recursion."""
        while self._closed:
            for dependent in self._nodes[self._closed.popleft()].dependents:
                self._release(dependent)

    def _release(self, number: int) -> None:
        state = self._nodes[number]
        state.unsettled -= 1
        if not state.unsettled:
            self._expand(number)

    def _expand(self, number: int) -> None:
        """Make a node's instances, now that their number is known."""
        node, state = self.graph.nodes[number], self._nodes[number]
        step = self.graph.step_of(node)
        verdict, reason = verdicts.verdict(self, number)
        count = 1
        if node.each and verdict is None:
            counts = verdicts.counts(self, node)
            count = min(counts, default=0)
            if len(counts) > 1:
                verdict, reason, count = "failed", verdicts.mismatch(counts), 1
        state.verdict = verdict
        state.count = state.open = count
        for item in range(count):
            place = item if node.each else None
            instance = self._instance(node.title, node.index + item, step, node=number, item=place)
            state.instances.append(instance)
            self.instances[instance.key] = instance
        if not count:
            self._close(number)
        for instance in state.instances:
            instance.waiting = sum(not other.ended for other in self._item_sources(instance))
        for dependent in state.streams:
            self._release(dependent)
        for instance in state.instances:
            self._recall(instance)
            if verdict is not None and not instance.ended:
                instance.reason = reason
                self._end(instance, verdict)
            elif not instance.waiting and instance.status == "pending":
                self._begin(instance)

    def _begin(self, instance: Instance) -> None:
        """Let an instance start, unless an item it takes has failed."""
        for other in self._item_sources(instance):
            if other.status != "succeeded":
                instance.reason = f"{other.name}/{other.index} is {other.status}"
                self._end(instance, other.status if other.status in ("skipped", "cancelled") else "blocked")
                return
        self._ready.append(instance)

    def _item_sources(self, instance: Instance) -> Iterator[Instance]:
        if instance.item is None:
            return
        for source in self._streamed[instance.node]:
            items = self._nodes[source].instances
            if instance.item < len(items):
                yield items[instance.item]

    def _end(self, instance: Instance, status: StepStatus) -> None:
        if instance.ended:
            return
        instance.status = status
        if instance.node < 0:
            return
        state = self._nodes[instance.node]
        state.open -= 1
        if instance.item is not None:
            for dependent in state.streams:
                others = self._nodes[dependent].instances
                if instance.item < len(others):
                    other = others[instance.item]
                    other.waiting -= 1
                    if not other.waiting and other.status == "pending":
                        self._begin(other)
        if not state.open:
            self._close(instance.node)

    def _close(self, number: int) -> None:
        state = self._nodes[number]
        state.status = verdicts.worst({instance.status for instance in state.instances})
        self._open_nodes -= 1
        self._closed.append(number)


def _comes_late(instance: Instance, observation: Started | Ended | Cached | Evidence) -> bool:
    """Say whether a record is of an instance that has ended without it, as only records out of order are."""
    match observation:
        case Ended(record=record):
            return instance.ended and record.number not in instance.attempts
        case Cached():
            return instance.ended and instance.cached is None
        case _:
            return False
