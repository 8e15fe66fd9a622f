"""What one instance of a step depends on, read from the store as it is asked for.

A pod knows its own node and nothing else of its run. It reads the records of the nodes before it, and further back
only where such a node has none: it never ran, and why is decided as everywhere (`fairlead.store.verdicts`). So a
step of a run of any size reads what it needs, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fairlead.specs import graphs
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.status import StepStatus
from fairlead.specs.values import Ref
from fairlead.store import verdicts
from fairlead.store.backends import Backend, at_once
from fairlead.store.history import count_items, read_instance
from fairlead.store.progress import Instance
from fairlead.store.records import Cached, Ended, Observation, Outcome, RunSpec, Superseded


class Upstream:
    """The nodes of a run as one of its pods sees them: a `View` of verdicts, and what resolves inputs.

    Nodes are asked for once they have ended; what is not in the store by then never will be.

    Args:
        backend: The store.
        spec: What the run is.
        compacted: What was known of it when it ended before, where it was resumed.
    """

    def __init__(self, backend: Backend, spec: RunSpec, compacted: Iterable[Observation] = ()) -> None:
        self.graph: Graph = spec.graph
        self._backend = backend
        self._spec = spec
        self._instances: dict[int, list[Instance]] = {}
        self._verdicts: dict[int, tuple[StepStatus | None, str | None]] = {}
        self._read: set[tuple[str, int]] = set()
        self._compacted, self._void = _by_instance(compacted)

    def verdict(self, node: int) -> tuple[StepStatus | None, str | None]:
        """Say whether a node can't run, and why; see `fairlead.store.verdicts.verdict`."""
        if node not in self._verdicts:
            found = verdicts.verdict(self, node)
            if found[0] is None and self.graph.nodes[node].each:
                lengths = verdicts.counts(self, self.graph.nodes[node])
                if len(lengths) > 1:
                    found = "failed", verdicts.mismatch(lengths)
            self._verdicts[node] = found
        return self._verdicts[node]

    def verdict_on_item(self, node: int, item: int) -> tuple[StepStatus | None, str | None]:
        """Say whether one instance of a node can't run: the node as a whole, or an item that it takes."""
        status, reason = self.verdict(node)
        if status is not None or not self.graph.nodes[node].each:
            return status, reason
        for other in self._item_sources(self.graph.nodes[node], item):
            if other.status != "succeeded":
                passed: StepStatus = other.status if other.status in ("skipped", "cancelled") else "blocked"
                return passed, f"{other.name}/{other.index} is {other.status}"
        return None, None

    def instance(self, node: int, item: int) -> Instance:
        """Return an instance with what is recorded of it; one that may not have run yet."""
        return self.known(self._made(node)[item])

    # What resolves inputs ----------------------------------------------------------------------

    def instances_of(self, node: int) -> list[Instance]:
        """Return all instances of a node, with what they produced."""
        instances = self._made(node)
        unread = [each for each in instances if each.key not in self._read]
        at_once(self.known, unread)
        for each in instances:
            self._decide(node, self.known(each))
        return instances

    def node_of(self, instance: Instance) -> Node | None:
        """Return the node of an instance."""
        return self.graph.nodes[instance.node]

    def chosen(self, options: Iterable[graphs.Binding]) -> graphs.Binding | None:
        """Return the first of some bindings whose steps were not skipped."""
        return verdicts.chosen(self.status_of, options)

    # What verdicts ask -------------------------------------------------------------------------

    def status_of(self, node: int) -> StepStatus:
        """Return the status of a node as a whole."""
        return verdicts.worst({each.status for each in self.instances_of(node)})

    def barred(self, node: int) -> StepStatus | None:
        """Return why a mapped node has no items."""
        return self.verdict(node)[0]

    def outcome_of(self, node: int) -> Outcome | None:
        """Return what a plain node produced."""
        return self.instances_of(node)[0].outcome

    def count_of(self, node: int) -> int:
        """Return how many instances a mapped node has."""
        return len(self._made(node))

    def count_items(self, ref: Ref) -> int:
        """Return how many items a list value has."""
        return count_items(self._backend, ref)

    def constant_items(self, name: str) -> Ref:
        """Return the reference that lists the items of a mapped constant."""
        return self._spec.items[name]

    # Reading -----------------------------------------------------------------------------------

    def _made(self, number: int) -> list[Instance]:
        """Return the instances of a node, made as `Progress` makes them."""
        if number not in self._instances:
            node = self.graph.nodes[number]
            step = self.graph.step_of(node)
            if not node.each:
                made = [Instance(node.title, node.index, step, node=number)]
            elif self.verdict(number)[0] is not None:
                made = [Instance(node.title, node.index, step, node=number, item=0)]
            else:
                count = min(verdicts.counts(self, node), default=0)
                made = [Instance(node.title, node.index + item, step, node=number, item=item) for item in range(count)]
            self._instances[number] = made
        return self._instances[number]

    def known(self, instance: Instance) -> Instance:
        """Return an instance with what its records say."""
        if instance.key in self._read:
            return instance
        written = read_instance(self._backend, self._spec.run, instance.name, instance.index)
        void = self._void.get(instance.key, 0.0)
        for record in (*self._compacted.get(instance.key, ()), *written):
            if isinstance(record, Cached):
                if record.time > void:
                    instance.cached, instance.outcome, instance.status = record, record.entry.outcome, "succeeded"
            else:
                attempt = record.record
                instance.attempts[attempt.number] = attempt  # its number is taken, whether it counts or not
                if attempt.status == "succeeded" and attempt.finished > void:
                    instance.outcome, instance.status = attempt.outcome, "succeeded"
        self._read.add(instance.key)
        return instance

    def _decide(self, node: int, instance: Instance) -> None:
        """Say of an instance that has not succeeded what it is, now that nothing more will come of it."""
        if instance.status != "pending":
            return
        if instance.attempts:
            last = instance.attempts[max(instance.attempts)]
            instance.status = "cancelled" if last.status == "cancelled" else "failed"
            return
        status, instance.reason = self.verdict_on_item(node, instance.item or 0)
        instance.status = status or "failed"  # its pod was to run, and has left no record

    def _item_sources(self, node: Node, item: int) -> Iterator[Instance]:
        for source in verdicts.streamed(self.graph, node):
            made = self._made(source)
            if item < len(made):
                found = self.known(made[item])
                self._decide(source, found)
                yield found


def _by_instance(
    observations: Iterable[Observation],
) -> tuple[dict[tuple[str, int], list[Cached | Ended]], dict[tuple[str, int], float]]:
    """Return what ended by instance, and up to when its successes do not count any more."""
    ends: dict[tuple[str, int], list[Cached | Ended]] = {}
    void: dict[tuple[str, int], float] = {}
    for each in observations:
        if isinstance(each, Superseded):
            void[each.step, each.index] = max(each.time, void.get((each.step, each.index), 0.0))
        elif isinstance(each, Cached | Ended):
            about = each.record if isinstance(each, Ended) else each
            ends.setdefault((about.step, about.index), []).append(each)
    return ends, void
