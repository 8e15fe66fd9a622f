"""Random graphs, and runs of them with random outcomes: what readings of runs are held against."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import strategies as st

from fairlead.naming import digest_bytes
from fairlead.specs import conditions
from fairlead.specs.graphs import DictOf, Export, FirstOf, Graph, ListOf, Literally, Node, Output, graph_faults
from fairlead.specs.reports import ErrorReport
from fairlead.specs.steps import FunctionStep, Parameter
from fairlead.specs.values import Ref
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import (
    AttemptRecord,
    Cached,
    CacheEntry,
    Called,
    Ended,
    Items,
    Observation,
    Outcome,
    Started,
    Superseded,
    encode,
)

TAKE = FunctionStep(
    name="take",
    function="m:take",
    parameters=(Parameter(name="x", required=False), Parameter(name="y", required=False)),
)
DRIVE = FunctionStep(name="drive", function="m:drive")
A = Export(0, ())


def ref(text: str, size: int = 1) -> Ref:
    return Ref(digest=text, format="json", size_bytes=size)


def count_items(given: Ref) -> int:
    """The list that a reference lists has as many items as its size says."""
    return given.size_bytes


def graph_of(*nodes: Node, **steps: FunctionStep) -> Graph:
    graph = Graph(flow="f", steps={"take": TAKE, "drive": DRIVE, **steps}, nodes=nodes)
    assert list(graph_faults(graph)) == []
    return graph


def take(name: str, x: Any = None, **fields: Any) -> Node:
    inputs = {} if x is None else {"x": x}
    return Node(step="take", name=name, inputs=inputs | fields.pop("inputs", {}), **fields)


def ended(
    instance: Instance,
    number: int,
    status: str,
    *,
    outcome: Outcome | None = None,
    retry: bool = False,
    time: float = 0.0,
) -> Ended:
    error = ErrorReport(type="ValueError", message=f"attempt {number}") if status == "failed" else None
    return Ended(
        record=AttemptRecord(
            step=instance.name, index=instance.index, number=number, status=status, started=time, finished=time or float(number),
            outcome=outcome or Outcome(), retry=retry, error=error,
        )
    )  # fmt: skip


# Random runs -----------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A small graph: plain and mapped nodes, conditions, joined branches and orders."""
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, 7))):
        earlier = list(range(number))
        mapped = [each for each in earlier if nodes[each].each]
        plain = [each for each in earlier if not nodes[each].each and nodes[each].step == "take"]
        kind = draw(st.sampled_from(["plain", "plain", "join", "static", "open", "follow", "drive"]))
        fields: dict[str, Any] = (
            {"after": tuple(draw(st.lists(st.sampled_from(earlier), max_size=1)))} if earlier else {}
        )
        inputs: dict[str, Any] = {}
        if kind == "join" and earlier:
            inputs["x"] = FirstOf(
                tuple(Output(each) for each in draw(st.lists(st.sampled_from(earlier), min_size=1, max_size=3)))
            )
        elif kind == "follow" and mapped:
            source = draw(st.sampled_from(mapped))
            inputs["x"], fields["each"], fields["count"] = Output(source), ("x",), nodes[source].count
        elif kind == "open" and plain:
            source = draw(st.sampled_from(plain))
            inputs["x"], fields["each"] = Output(source), ("x",)
            nodes[source] = msgspec.structs.replace(nodes[source], split=(A,))
        elif kind in ("static", "open", "follow"):
            items = draw(st.lists(st.integers(), max_size=3))
            inputs["x"], fields["each"], fields["count"] = Literally(items), ("x",), len(items)
        elif earlier:
            inputs["x"] = draw(
                st.sampled_from(
                    [Literally(1), ListOf((Output(draw(st.sampled_from(earlier))),)), DictOf({"a": Output(number - 1)})]
                )
            )
        if earlier and draw(st.booleans()):
            inputs["y"] = Output(draw(st.sampled_from(earlier)))
        if plain and draw(st.integers(0, 2)) == 0:
            asked = draw(st.sampled_from(plain))
            fields["when"] = conditions.Compare(
                "gt", conditions.Scalar(asked), conditions.Constant(draw(st.integers(0, 2)))
            )
            nodes[asked] = msgspec.structs.replace(nodes[asked], exports=(A,))
        if kind == "drive":
            nodes.append(Node(step="drive", name=f"n{number}", after=fields.get("after", ())))
        else:
            nodes.append(take(f"n{number}", inputs=inputs, **fields))
    return graph_of(*nodes)


class Play:
    """Drives a run as an engine does, with random outcomes, and keeps its records."""

    def __init__(
        self, graph: Graph, seed: int, records: Iterable[Observation] = (), *, supersede: int = 3, **options: Any
    ) -> None:
        self.random = random.Random(seed)
        self.progress = Progress(graph, count_items, records=records, **options)
        self.records: list[Observation] = []
        self.taken: Counter[tuple[str, int]] = Counter()
        self.lists: dict[str, bytes] = {}
        self.time = 1000.0 if records else 0.0
        self.superseded = 0
        self._supersede_max = supersede

    def see(self, observation: Observation) -> None:
        self.records.append(observation)
        self.progress.apply(observation)

    def now(self) -> float:
        self.time += 1
        return self.time

    def run(self, steps: int = 10_000, *, fails: float = 0.25) -> Play:
        waiting: list[Instance] = []
        for _ in range(steps):
            for instance in self.progress.take_ready():
                assert instance.status == "pending"
                self.taken[instance.key] += 1
                waiting.append(instance)
            if not waiting:
                break
            instance = waiting.pop(self.random.randrange(len(waiting)))
            self.attempt(instance, waiting, fails)
            self.supersede(waiting)
        return self

    def supersede(self, waiting: list[Instance], running: Instance | None = None) -> None:
        """Now and then let a result not count any more, as when its value was found damaged."""
        done = [each for each in self.progress.instances.values() if each.status == "succeeded"]
        if not done or self.superseded >= self._supersede_max or self.random.random() > 0.15:
            return
        self.superseded += 1
        chosen = self.random.choice(done)
        self.see(Superseded(step=chosen.name, index=chosen.index, time=self.now()))
        assert self.progress.instances[chosen.key] is chosen
        assert chosen.status != "succeeded"
        assert running is None or self.progress.instances.get(running.key, running) is running
        for each in (*waiting, chosen):  # what may start is told again
            self.taken[each.key] -= 1
        waiting.clear()

    def attempt(self, instance: Instance, waiting: list[Instance], fails: float) -> None:
        chance = self.random.random()
        number = max(instance.attempts, default=0) + 1
        if chance < 0.1 and instance.call is None and not instance.attempts:
            entry = CacheEntry(outcome=self.outcome(instance), run="other", step=instance.name, index=0)
            self.see(Cached(step=instance.name, index=instance.index, entry=entry, time=self.now()))
            return
        self.see(Started(step=instance.name, index=instance.index, number=number, time=self.now()))
        if instance.step is DRIVE or instance.step == DRIVE:
            for position in range(self.random.randint(0, 2)):
                identity = f"{instance.name}-{position}"
                self.see(
                    Called(
                        parent=f"{instance.name}.{instance.index}", identity=identity, position=position, step=f"{instance.name}-call",
                        index=position, definition=TAKE, inputs={},
                    )
                )  # fmt: skip
        self.supersede(waiting, instance)
        if chance > 1 - fails / 2:
            self.see(ended(instance, number, "cancelled", time=self.now()))
        elif chance > 1 - fails:
            self.see(ended(instance, number, "failed", time=self.now()))
        elif chance > 0.5 and number == 1:
            self.see(ended(instance, number, "failed", retry=True, time=self.now()))
            if self.progress.instances.get(instance.key) is instance:
                waiting.append(instance)
            else:
                self.taken[instance.key] -= 1
        else:
            self.see(ended(instance, number, "succeeded", outcome=self.outcome(instance), time=self.now()))

    def listed(self, digest: str, count: int) -> Ref:
        """Make a list of items, whose bytes are kept."""
        data = encode(Items(tuple(ref(f"{digest}-{item}") for item in range(count))))
        self.lists[digest_bytes(data)] = data
        return ref(digest_bytes(data), count)

    def outcome(self, instance: Instance) -> Outcome:
        node = self.progress.node_of(instance)
        digest = f"{instance.name}.{instance.index}-{self.time}"
        if node is None:
            return Outcome(outputs=(ref(digest),))
        items = tuple(self.listed(digest, self.random.randint(0, 3)) for _ in node.split)
        return Outcome(
            outputs=(ref(digest),), items=items, exports=tuple(self.random.randint(0, 3) for _ in node.exports)
        )


SEEDS = st.integers(0, 2**32)
