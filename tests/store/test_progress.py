"""How far a run is: the same whatever the order in which its records come."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.specs import conditions
from fairlead.specs.graphs import (
    Constant,
    FirstOf,
    Graph,
    Literally,
    Node,
    Output,
    needs,
)
from fairlead.specs.status import ENDED
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import (
    Called,
    Observation,
    Outcome,
    RunStatusChanged,
    Started,
    Superseded,
)
from store.playing import SEEDS, TAKE, A, Play, count_items, ended, graph_of, graphs, ref, take


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
