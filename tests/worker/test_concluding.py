"""What a run's last pod writes down, whatever the others have left, and however often."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import StoreError
from fairlead.runs.reporting import read_report
from fairlead.specs import conditions
from fairlead.specs.graphs import Graph, Literally, Output
from fairlead.specs.reports import RunReport
from fairlead.store import claims
from fairlead.store.backends import Folder, list_all
from fairlead.store.catalog import latest_by_run
from fairlead.store.history import read_progress, write_event
from fairlead.store.layout import Task, attempt_key, call_key, log_key, run_prefix, spec_key, start_key
from fairlead.store.progress import Instance
from fairlead.store.records import Called, Claim, Event, Handover, Outcome, RunSpec, Started, encode
from fairlead.store.segments import segment_key
from fairlead.worker.concluding import conclude
from store.playing import A, ended, graph_of, ref, take

RUN = "20261124-080000-abcde"


class Left:
    """A run in a store, with what its pods have left."""

    def __init__(self, folder: Path, graph: Graph) -> None:
        self.backend = Folder(folder)
        self.spec = RunSpec(run=RUN, created=time.time(), graph=graph)
        self.backend.create(spec_key(RUN), encode(self.spec))
        self.claim = self.submitted()

    def submitted(self) -> Claim:
        claim = claims.take_claim(self.backend, RUN, now=time.time())
        claims.hand_over(self.backend, RUN, claim, Handover(context="c", namespace="n", name="w"))
        return claim

    def attempt(self, name: str, status: str = "succeeded", number: int = 1, index: int = 0, **options: Any) -> None:
        instance = Instance(name, index, self.spec.graph.steps["take"])
        made = ended(instance, number, status, time=time.time(), **options)
        self.start(name, number, index)
        self.backend.create(attempt_key(RUN, Task(name, index, number)), encode(made.record))

    def start(self, name: str, number: int = 1, index: int = 0) -> None:
        started = Started(step=name, index=index, number=number, time=time.time())
        self.backend.create(start_key(RUN, Task(name, index, number)), encode(started))

    def conclude(self, claim: Claim | None = None, cancels_before: int = 0) -> str:
        return conclude(self.backend, self.spec, claim or self.claim, cancels_before=cancels_before)

    def report(self) -> RunReport:
        return read_report(self.backend, RUN)

    def stored(self, folder: str = "") -> list[str]:
        prefix = run_prefix(RUN)
        return [entry.key.removeprefix(prefix) for entry in list_all(self.backend, prefix + folder)]


CHAIN = graph_of(take("a"), take("b", Output(0)), take("c"))


CALLED = Called(parent="a.0", identity="i", position=0, step="call", index=0, definition=CHAIN.steps["take"], inputs={})


@pytest.fixture
def left(tmp_path: Path) -> Left:
    return Left(tmp_path, CHAIN)


def test_a_run_whose_steps_have_succeeded_has(left: Left) -> None:
    for name in "abc":
        left.attempt(name)
    assert left.report().status == "running"
    assert left.conclude() == "succeeded"
    assert left.report().status == "succeeded"
    assert (latest_by_run(left.backend)[RUN].status, claims.has_ended(left.backend, RUN, left.claim)) == (
        "succeeded",
        True,
    )
    assert left.stored("attempts/") == left.stored("starts/") == left.stored("observed/") == []
    assert left.stored("final/") == ["final/000001"]


def test_what_began_and_left_nothing_was_lost_with_its_pod(left: Left) -> None:
    left.attempt("a", "failed", retry=True)
    left.start("a", 2)
    left.attempt("c")
    assert left.conclude() == "failed"
    steps = {each.name: each for each in left.report().steps}
    assert [steps[name].status for name in "abc"] == ["failed", "blocked", "succeeded"]
    lost = steps["a"].attempts[-1]
    assert lost.error is not None
    assert (lost.number, lost.status, lost.error.type, lost.error.message) == (
        2, "failed", "Lost", "its pod was gone before it left a record",
    )  # fmt: skip


def test_what_could_run_and_never_began_had_no_pod(left: Left) -> None:
    left.attempt("a")
    left.attempt("c")
    assert left.conclude() == "failed"
    (attempt,) = next(each for each in left.report().steps if each.name == "b").attempts
    assert attempt.error is not None and attempt.error.message == "none of its pods could start"


def test_a_branch_that_is_not_taken_needs_no_pod(tmp_path: Path) -> None:
    when = conditions.Compare("gt", conditions.Scalar(0), conditions.Constant(0.5))
    left = Left(tmp_path, graph_of(take("a", exports=(A,)), take("b", when=when), take("c", Output(1))))
    left.attempt("a", outcome=Outcome(outputs=(ref("a"),), exports=(0.1,)))
    assert left.conclude() == "succeeded"
    assert [each.status for each in left.report().steps] == ["succeeded", "skipped", "skipped"]


def test_a_cancelled_run_has_no_losses_but_what_was_under_way_keeps_its_number(left: Left) -> None:
    left.attempt("a")
    left.start("b")
    write_event(left.backend, RUN, Event(kind="cancel", time=time.time()))
    assert left.conclude() == "cancelled"
    steps = {each.name: each for each in left.report().steps}
    assert [steps[name].status for name in "abc"] == ["succeeded", "cancelled", "cancelled"]
    assert [each.status for each in steps["b"].attempts] == ["cancelled"]
    assert not steps["c"].attempts


def test_a_cancel_of_before_does_not_count(left: Left) -> None:
    write_event(left.backend, RUN, Event(kind="cancel", time=time.time()))
    for name in "abc":
        left.attempt(name)
    assert left.conclude(cancels_before=1) == "succeeded"


def test_concluding_again_changes_nothing(left: Left) -> None:
    left.attempt("a", "failed")
    left.attempt("c")
    left.conclude()
    before = {key: left.backend.get(run_prefix(RUN) + key) for key in left.stored()}
    write_event(left.backend, RUN, Event(kind="cancel", time=1.0))
    assert left.conclude() == "failed"
    after = {key: left.backend.get(run_prefix(RUN) + key) for key in left.stored() if not key.startswith("events/")}
    assert after == before


class Dying(Folder):
    """A back end whose process dies before its n-th change."""

    def __init__(self, root: Path, changes: int) -> None:
        super().__init__(root)
        self.left = changes

    def _count(self) -> None:
        if self.left == 0:
            raise StoreError("the process was killed here")
        self.left -= 1

    def create(self, key: str, data: bytes) -> bool:
        self._count()
        return super().create(key, data)

    def put(self, key: str, data: bytes) -> None:
        self._count()
        super().put(key, data)

    def delete(self, key: str) -> None:
        self._count()
        super().delete(key)


def test_whoever_is_killed_while_concluding_is_replaced(tmp_path: Path) -> None:
    reports = []
    for changes in range(20):
        left = Left(tmp_path / str(changes), CHAIN)
        left.attempt("a", "failed")
        left.attempt("c")
        try:
            conclude(Dying(tmp_path / str(changes), changes), left.spec, left.claim, cancels_before=0)
            break
        except StoreError:
            left.conclude()
            assert claims.has_ended(left.backend, RUN, left.claim)
            assert left.stored("attempts/") == left.stored("starts/") == left.stored("observed/") == []
            reports.append([(each.name, each.status, len(each.attempts)) for each in left.report().steps])
    else:
        raise AssertionError("it never got through")
    assert len(reports) > 5
    assert all(each == [("a", "failed", 1), ("b", "blocked", 0), ("c", "succeeded", 1)] for each in reports)


def test_a_run_that_was_resumed_is_concluded_anew_and_by_its_own_claim_only(left: Left) -> None:
    left.attempt("a", "failed")
    left.attempt("c")
    left.conclude()
    again = left.submitted()
    assert again.number == 2
    left.attempt("a", number=2)
    left.attempt("b")
    assert left.conclude(left.claim) == "failed"  # the first submission's client, that comes late
    assert not claims.has_ended(left.backend, RUN, again)
    assert left.conclude(again) == "succeeded"
    assert left.report().status == "succeeded"
    assert [len(each.attempts) for each in left.report().steps] == [2, 1, 1]
    assert left.stored("final/") == ["final/000001", "final/000002"]


def test_a_claim_that_lost_the_run_writes_nothing(left: Left) -> None:
    for name in "abc":
        left.attempt(name)
    left.backend.create(f"{run_prefix(RUN)}claims/000002", encode(claims.new_claim(2, now=time.time())))
    before = left.stored()
    assert left.conclude() == "running"
    assert left.stored() == before


def test_calls_stay_for_a_run_that_may_be_resumed(left: Left) -> None:
    for status, kept in (("failed", ["calls/call.0"]), ("succeeded", [])):
        left.backend.create(call_key(RUN, "call", 0), encode(CALLED))
        for name in "abc":
            left.attempt(name, status if name == "a" else "succeeded", 1 if status == "failed" else 2)
        left.attempt("call", index=0)
        assert left.conclude(left.claim) == status
        assert left.stored("calls/") == kept
        assert read_progress(left.backend, left.spec).instances["call", 0].status == "succeeded"
        left.claim = left.submitted() if status == "failed" else left.claim


def test_a_call_may_fail_and_its_flow_go_on_without_it(left: Left) -> None:
    left.backend.create(call_key(RUN, "call", 0), encode(CALLED))
    left.attempt("call", "failed")
    for name in "abc":
        left.attempt(name)
    assert left.conclude() == "succeeded"


def test_logs_that_lost_pods_left_in_pieces_are_joined(left: Left) -> None:
    key = log_key(RUN, Task("a", 0, 1))
    for start, text in ((0, b"one "), (4, b"two")):
        left.backend.put(segment_key(key, start), text)
    left.backend.put(segment_key(log_key(RUN, Task("c", 0, 1)), 0), b"half")
    left.backend.put(log_key(RUN, Task("c", 0, 1)), b"half and whole")
    left.start("a")
    left.attempt("c")
    left.conclude()
    assert left.stored("logs/") == ["logs/a.0.1", "logs/c.0.1"]
    assert (left.backend.get(key), left.backend.get(log_key(RUN, Task("c", 0, 1)))) == (b"one two", b"half and whole")


def test_a_map_of_nothing_succeeds(tmp_path: Path) -> None:
    left = Left(tmp_path, graph_of(take("a", Literally([]), each=("x",), count=0)))
    assert left.conclude() == "succeeded"
