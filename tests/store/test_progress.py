"""How far a run is: the same whatever the order in which its records come."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.specs import conditions
from fairlead.specs.graphs import (
    Constant,
    DictOf,
    Export,
    FirstOf,
    Graph,
    ListOf,
    Literally,
    Node,
    Output,
    graph_faults,
    needs,
)
from fairlead.specs.reports import ErrorReport
from fairlead.specs.status import ENDED
from fairlead.specs.steps import FunctionStep, Parameter
from fairlead.specs.values import Ref
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import (
    AttemptRecord,
    Cached,
    CacheEntry,
    Called,
    Ended,
    Observation,
    Outcome,
    RunStatusChanged,
    Started,
    Superseded,
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


def statuses(progress: Progress) -> dict[str, str]:
    return {f"{each.name}.{each.index}": each.status for each in progress.instances.values()}


def picture(progress: Progress) -> dict[tuple[str, int], Any]:
    """Everything that reports tell of the instances."""
    return {
        each.key: (
            each.status,
            each.outcome,
            each.attempts,
            each.running,
            each.finished,
            each.cached,
            each.reason if each.ended else None,
        )
        for each in progress.instances.values()
    }


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

    def outcome(self, instance: Instance) -> Outcome:
        node = self.progress.node_of(instance)
        digest = f"{instance.name}.{instance.index}-{self.time}"
        if node is None:
            return Outcome(outputs=(ref(digest),))
        items = tuple(ref(f"{digest}-items", self.random.randint(0, 3)) for _ in node.split)
        return Outcome(
            outputs=(ref(digest),), items=items, exports=tuple(self.random.randint(0, 3) for _ in node.exports)
        )


SEEDS = st.integers(0, 2**32)
thorough = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@thorough
@given(graphs(), SEEDS)
def test_a_run_ends_and_nothing_is_ready_twice(graph: Graph, seed: int) -> None:
    play = Play(graph, seed).run()
    progress = play.progress
    assert set(play.taken.values()) <= ({0, 1} if play.superseded else {1})
    assert list(progress.take_ready()) == []
    assert progress.done
    own = [each for each in progress.instances.values() if each.call is None]
    assert all(each.status in ENDED for each in own)
    assert all(progress.is_expanded(number) for number in range(len(graph.nodes)))
    for number, node in enumerate(graph.nodes):
        for instance in progress.instances_of(number):
            if play.taken[instance.key] and not play.superseded:
                for other in needs(node):  # what started had what it waits for
                    states = {each.status for each in progress.instances_of(other)}
                    assert states <= {"succeeded", "skipped"} or (instance.item is not None and node.each)


@thorough
@given(graphs(), SEEDS, st.integers(0, 30))
def test_rebuilding_from_records_in_any_order_gives_what_was_live(graph: Graph, seed: int, steps: int) -> None:
    play = Play(graph, seed).run(steps)
    live = picture(play.progress)
    shuffled = list(play.records)
    random.Random(seed).shuffle(shuffled)
    for records in (play.records, shuffled, [*shuffled, *play.records]):
        rebuilt = Progress(graph, count_items, records=records)
        assert picture(rebuilt) == live
        assert rebuilt.done == play.progress.done


@thorough
@given(graphs(), SEEDS, st.integers(0, 30))
def test_applying_records_in_any_order_or_twice_gives_what_was_live(graph: Graph, seed: int, steps: int) -> None:
    play = Play(graph, seed).run(steps)
    shuffled = list(play.records)
    random.Random(seed).shuffle(shuffled)
    half = len(shuffled) // 2
    for first, then in (
        (play.records, play.records),
        ([], shuffled),
        (shuffled[:half], shuffled),
        (shuffled, play.records),
    ):
        found = Progress(graph, count_items, records=first)
        for record in then:
            found.apply(record)
        assert picture(found) == picture(play.progress)


@thorough
@given(graphs(), SEEDS, st.integers(0, 30))
def test_a_resume_opens_what_did_not_succeed_and_only_that(graph: Graph, seed: int, steps: int) -> None:
    play = Play(graph, seed, supersede=0).run(steps)
    before = play.progress
    resumed = Play(graph, seed + 1, play.records, supersede=0, resume=True)
    succeeded = {each.key for each in before.instances.values() if each.status == "succeeded"}
    assert {each.key for each in resumed.progress.instances.values() if each.status == "succeeded"} == succeeded
    open_again = {each.key for each in resumed.progress.instances.values() if not each.ended}
    assert {each.key for each in before.instances.values() if each.status == "skipped"} >= {
        each.key for each in resumed.progress.instances.values() if each.status == "skipped"
    }
    assert not open_again & succeeded
    resumed.run(fails=0)
    assert resumed.progress.done
    assert set(resumed.taken) & succeeded == set()
    assert set(resumed.taken.values()) <= {1}
    whole = [each.status for each in resumed.progress.instances.values() if each.call is None]
    assert set(whole) <= {"succeeded", "skipped"}
    again = Progress(graph, count_items, records=[*play.records, *resumed.records])
    assert statuses(again) == statuses(resumed.progress)
    for instance in resumed.progress.instances.values():
        old = before.instances.get(instance.key)
        assert old is None or set(old.attempts) <= set(instance.attempts)


@thorough
@given(graphs(), SEEDS, st.integers(0, 30))
def test_held_results_count_once_they_are_accepted(graph: Graph, seed: int, steps: int) -> None:
    play = Play(graph, seed, supersede=0).run(steps)
    plain = Progress(graph, count_items, records=play.records, resume=True)
    held = Progress(graph, count_items, records=play.records, resume=True, hold=True)
    assert not any(each.status == "succeeded" for each in held.instances.values())
    again = 0
    for instance in held.take_ready():
        if instance.held is not None:
            held.accept(instance)
            again += 1
    assert again == sum(each.status == "succeeded" for each in plain.instances.values())
    assert statuses(held) == statuses(plain)


WHEN = conditions.Compare("gt", conditions.Scalar(0), conditions.Constant(0.5))


# One thing at a time ---------------------------------------------------------------------------


def succeed(
    progress: Progress,
    name: str,
    index: int = 0,
    *,
    items: int | None = None,
    exports: tuple[Any, ...] = (),
    number: int = 1,
) -> None:
    instance = progress.instances[name, index]
    listed = () if items is None else (ref("items", items),)
    progress.apply(
        ended(instance, number, "succeeded", outcome=Outcome(outputs=(ref(name),), items=listed, exports=exports))
    )


def fail(progress: Progress, name: str, index: int = 0, status: str = "failed") -> None:
    progress.apply(ended(progress.instances[name, index], 1, status))


def ready(progress: Progress) -> list[str]:
    return [f"{each.name}.{each.index}" for each in progress.take_ready()]


def begun(*nodes: Node, **options: Any) -> Progress:
    return Progress(graph_of(*nodes), count_items, **options)


def test_a_chain_is_ready_one_by_one() -> None:
    progress = begun(take("a"), take("b", Output(0)), take("c", Output(1)))
    assert ready(progress) == ["a.0"]
    assert ready(progress) == []
    succeed(progress, "a")
    assert ready(progress) == ["b.0"]
    succeed(progress, "b")
    succeed(progress, "c")
    assert progress.done


@pytest.mark.parametrize(("status", "after"), [("failed", "blocked"), ("cancelled", "cancelled")])
def test_what_depends_on_a_failure_is_blocked_and_the_rest_goes_on(status: str, after: str) -> None:
    progress = begun(take("a"), take("b", Output(0)), take("c", Output(1)), take("d"))
    fail(progress, "a", status=status)
    assert statuses(progress) == {"a.0": status, "b.0": after, "c.0": after, "d.0": "pending"}
    assert [progress.instances[name, 0].reason for name in "bc"] == [f"a {status}", f"b {after}"]
    assert ready(progress) == ["d.0"]
    assert not progress.done


def test_items_of_a_mapped_step_are_followed_one_by_one() -> None:
    progress = begun(
        take("a", Literally([1, 2, 3]), each=("x",), count=3),
        take("b", Output(0), each=("x",), count=3),
        take("c", Output(1)),
    )
    assert ready(progress) == ["a.0", "a.1", "a.2"]
    succeed(progress, "a", 1)
    assert ready(progress) == ["b.1"]
    fail(progress, "a", 0)
    assert progress.instances["b", 0].status == "blocked"
    assert progress.instances["b", 0].reason == "a/0 is failed"
    succeed(progress, "a", 2)
    assert ready(progress) == ["b.2"]
    succeed(progress, "b", 1)
    succeed(progress, "b", 2)
    assert progress.instances["c", 0].status == "blocked"
    assert progress.done


def test_what_follows_a_map_that_was_skipped_is_skipped_as_one() -> None:
    mapped = take("b", Literally([1, 2, 3]), each=("x",), count=3, when=WHEN)
    progress = begun(take("a", exports=(A,)), mapped, take("c", Output(1), each=("x",), count=3), take("d", Output(2)))
    succeed(progress, "a", exports=(0,))
    assert statuses(progress) == {"a.0": "succeeded", "b.0": "skipped", "c.0": "skipped", "d.0": "skipped"}
    assert progress.done


@pytest.mark.parametrize("items", [0, 1, 3])
def test_a_map_of_a_length_known_at_run_time_is_expanded_then(items: int) -> None:
    progress = begun(take("a", split=(A,)), take("b", Output(0), each=("x",)), take("c", Output(1)))
    assert not progress.is_expanded(1)
    succeed(progress, "a", items=items)
    assert [each.index for each in progress.instances_of(1)] == list(range(items))
    for index in range(items):
        succeed(progress, "b", index)
    succeed(progress, "c")
    assert progress.done


def test_a_map_over_a_stored_list_counts_its_items() -> None:
    graph = graph_of(take("b", Constant("c0"), each=("x",)))
    assert len(Progress(graph, count_items, constants={"c0": ref("big", 4)}).instances) == 4


@pytest.mark.parametrize(
    ("items", "count", "status"), [(3, 3, "pending"), (2, 3, "failed"), (4, 3, "failed"), (0, 3, "failed")]
)
def test_lists_of_different_lengths_fail_when_they_are_known(items: int, count: int, status: str) -> None:
    zipped = take("b", inputs={"x": Output(0), "y": Literally([1, 2, 3])}, each=("x", "y"), count=count)
    progress = begun(take("a", split=(A,)), zipped, take("c", Output(1)))
    succeed(progress, "a", items=items)
    assert {each.status for each in progress.instances_of(1)} == {status}
    if status == "failed":
        low, high = sorted((items, count))
        assert progress.instances["b", 0].reason == f"it maps over lists of different lengths: {low} and {high}"
        assert progress.instances["c", 0].status == "blocked"
        assert progress.done


def test_two_lists_known_at_run_time_must_be_of_one_length() -> None:
    two = take("c", inputs={"x": Output(0), "y": Output(1)}, each=("x", "y"))
    progress = begun(take("a", split=(A,)), take("b", split=(A,)), two)
    succeed(progress, "a", items=2)
    succeed(progress, "b", items=3)
    assert progress.instances["c", 0].status == "failed"


@pytest.mark.parametrize(
    ("value", "status", "reason"),
    [
        (0.9, "pending", None),
        (0.1, "skipped", "its condition is false"),
        ("x", "failed", "its condition can't be evaluated: 'x' and 0.5 have no order"),
        (None, "failed", "its condition can't be evaluated: None and 0.5 have no order"),
    ],
)
def test_a_condition_decides_what_runs(value: Any, status: str, reason: str | None) -> None:
    progress = begun(take("a", exports=(A,)), take("b", when=WHEN), take("c", Output(1)))
    succeed(progress, "a", exports=(value,))
    assert (progress.instances["b", 0].status, progress.instances["b", 0].reason) == (status, reason)
    if status != "pending":
        assert progress.instances["c", 0].status == {"skipped": "skipped", "failed": "blocked"}[status]
        assert progress.done


def test_a_condition_over_what_was_not_exported_fails() -> None:
    progress = begun(take("a"), take("b", when=WHEN))
    succeed(progress, "a")
    assert progress.instances["b", 0].reason == "its condition can't be evaluated: a did not export it"


def test_a_condition_over_what_was_skipped_is_not_met() -> None:
    nested = conditions.Not(conditions.Scalar(1))
    progress = begun(take("a", exports=(A,)), take("b", when=WHEN, exports=(A,)), take("c", when=nested))
    succeed(progress, "a", exports=(0,))
    assert (progress.instances["c", 0].status, progress.instances["c", 0].reason) == (
        "skipped",
        "what its condition reads was skipped",
    )


def test_first_of_takes_the_branch_that_ran() -> None:
    other = conditions.Not(WHEN)
    progress = begun(
        take("a", exports=(A,)), take("b", when=WHEN), take("c", when=other), take("d", FirstOf((Output(1), Output(2))))
    )
    succeed(progress, "a", exports=(0,))
    assert ready(progress) == ["a.0", "c.0"] or statuses(progress)["b.0"] == "skipped"
    succeed(progress, "c")
    assert statuses(progress) == {"a.0": "succeeded", "b.0": "skipped", "c.0": "succeeded", "d.0": "pending"}
    assert progress.chosen((Output(1), Output(2))) == Output(2)


def test_first_of_is_skipped_with_all_its_branches_unless_a_value_is_written() -> None:
    both = FirstOf((Output(1), Output(2)))
    progress = begun(
        take("a", exports=(A,)),
        take("b", when=WHEN),
        take("c", when=WHEN),
        take("d", both),
        take("e", FirstOf((Output(1), Literally(0)))),
    )
    succeed(progress, "a", exports=(0,))
    assert (progress.instances["d", 0].status, progress.instances["e", 0].status) == ("skipped", "pending")


def test_what_follows_a_skipped_step_by_order_alone_runs() -> None:
    progress = begun(take("a", exports=(A,)), take("b", when=WHEN), take("c", after=(1,)))
    succeed(progress, "a", exports=(0,))
    assert statuses(progress)["c.0"] == "pending"


def test_a_retry_is_open_until_the_last_attempt() -> None:
    progress = begun(take("a"), take("b", Output(0)))
    a = progress.instances["a", 0]
    progress.apply(Started(step="a", index=0, number=1, time=1))
    assert (a.status, a.running) == ("running", (1, 1))
    progress.apply(ended(a, 1, "failed", retry=True))
    assert (a.status, a.running, a.reason) == ("pending", None, "attempt 1")
    progress.apply(Started(step="a", index=0, number=2, time=2))
    progress.apply(Started(step="a", index=0, number=1, time=1))  # late
    assert a.running == (2, 2)
    progress.apply(ended(a, 2, "failed"))
    assert (a.status, a.reason, progress.instances["b", 0].status) == ("failed", "attempt 2", "blocked")


def test_calls_of_a_driver_are_instances_known_by_their_identity() -> None:
    progress = begun(Node(step="drive", name="d"))
    call = Called(parent="d.0", identity="i1", position=0, step="take", index=0, definition=TAKE, inputs={})
    first = progress.apply(call)
    assert ready(progress) == ["d.0", "take.0"]
    assert progress.apply(call) is first
    assert ready(progress) == []
    succeed(progress, "take")
    assert not progress.done
    succeed(progress, "d")
    assert progress.done


def test_what_the_run_became_last_is_what_it_is() -> None:
    progress = begun(take("a"))
    for change in (
        RunStatusChanged(status="running", time=2),
        RunStatusChanged(status="failed", time=3),
        RunStatusChanged(status="running", time=1),
    ):
        progress.apply(change)
    assert progress.run is not None
    assert progress.run.status == "failed"


def test_cancelling_what_is_open_cancels_what_would_have_followed() -> None:
    progress = begun(take("a"), take("b", Output(0)), take("c"))
    succeed(progress, "c")
    progress.apply(Started(step="a", index=0, number=1, time=1))
    progress.cancel_open()
    assert statuses(progress) == {"a.0": "cancelled", "b.0": "cancelled", "c.0": "succeeded"}
    assert progress.instances["a", 0].running is None
    assert progress.done


def records_of(make: Callable[[Instance], list[Observation]], name: str = "a") -> list[Observation]:
    return make(Instance(name, 0, TAKE))


def test_a_result_that_was_superseded_does_not_count_and_a_later_one_does() -> None:
    records = records_of(lambda a: [
        ended(a, 1, "succeeded", outcome=Outcome(outputs=(ref("old"),)), time=10), Superseded(step="a", index=0, time=20),
    ])  # fmt: skip
    found = begun(take("a"), take("b", Output(0)), records=records)
    assert (found.instances["a", 0].status, set(found.instances["a", 0].attempts), ready(found)) == (
        "pending",
        {1},
        ["a.0"],
    )
    later = records_of(lambda a: [ended(a, 2, "succeeded", outcome=Outcome(outputs=(ref("new"),)), time=30)])
    for order in ([*records, *later], [*later, *reversed(records)]):
        found = begun(take("a"), take("b", Output(0)), records=order)
        outcome = found.instances["a", 0].outcome
        assert outcome is not None
        assert (outcome.outputs[0].digest, set(found.instances["a", 0].attempts)) == ("new", {1, 2})


def test_a_result_whose_value_is_gone_does_not_count() -> None:
    records = records_of(lambda a: [ended(a, 1, "succeeded", outcome=Outcome(outputs=(ref("gone"),)))])
    kept = begun(take("a"), take("b", Output(0)), records=records, resume=True, is_kept=lambda ref: True)
    gone = begun(
        take("a"), take("b", Output(0)), records=records, resume=True, is_kept=lambda ref: ref.digest != "gone"
    )
    assert (ready(kept), ready(gone)) == (["b.0"], ["a.0"])
    assert set(gone.instances["a", 0].attempts) == {1}


def test_a_long_chain_is_no_deep_recursion() -> None:
    nodes = [take("n0")] + [take(f"n{number}", Output(number - 1)) for number in range(1, 5000)]
    progress = Progress(Graph(flow="f", steps={"take": TAKE}, nodes=tuple(nodes)), count_items)
    fail(progress, "n0")
    assert progress.done
    records = [ended(Instance(f"n{number}", 0, TAKE), 1, "succeeded") for number in range(5000)]
    assert Progress(progress.graph, count_items, records=reversed(records)).done
