"""Records of pods are read, compacted, checked, and keep what they refer to, also while somebody else compacts."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from fairlead.errors import ClaimedError, DamagedError
from fairlead.naming import utc_now
from fairlead.runs.reporting import is_driven, read_report
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.values import Ref
from fairlead.store import claims, collecting, history, opened
from fairlead.store.backends import Entry, Folder, list_all
from fairlead.store.catalog import note_transition
from fairlead.store.checking import check
from fairlead.store.collecting import collect, plan_collection
from fairlead.store.index.opening import open_index
from fairlead.store.layout import (
    Task,
    attempt_key,
    call_key,
    log_key,
    metrics_key,
    object_key,
    run_prefix,
    spec_key,
    start_key,
    submission_key,
    task_key,
)  # fmt: skip
from fairlead.store.opened import Store
from fairlead.store.progress import Instance
from fairlead.store.records import (
    Cached,
    CacheEntry,
    Called,
    Ended,
    Handover,
    Items,
    Observation,
    Outcome,
    RunSpec,
    RunStatusChanged,
    Started,
    encode,
)  # fmt: skip
from fairlead.store.references import read_references
from fairlead.store.remote import Remote
from fairlead.store.segments import join_segments, read_segments, segment_key, segments_size, whole_key
from fairlead.worker.tasks import ProjectCode, Stored, WorkerTask
from store.playing import TAKE, ended, graph_of, take

RUN = "20261124-080000-abcde"
GRAPH = graph_of(take("a"), take("b"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(str(tmp_path / "store"), tmp_path / "host")
    found.backend.create(spec_key(RUN), encode(RunSpec(run=RUN, created=time.time(), graph=GRAPH)))
    return found


def call_of(value: Ref) -> Called:
    inputs = {"x": msgspec.to_builtins(Stored(value))}
    return Called(parent="a.0", identity="i", position=0, step="call", index=0, definition=TAKE, inputs=inputs)


def task_of(value: Ref) -> WorkerTask:
    return WorkerTask(
        id=0, run=RUN, step=TAKE, index=0, number=1, code=ProjectCode(""), inputs={"x": Stored(value)},
        store="", host="", log=None, checkpoints="",
    )  # fmt: skip


def cached_of(*values: Ref) -> Cached:
    outcome = Outcome(outputs=values[:1], items=values[1:])
    return Cached(step="b", index=0, entry=CacheEntry(outcome=outcome, run="other", step="b", index=0), time=1.0)


# Reading ---------------------------------------------------------------------------------------


def test_what_pods_leave_is_read_and_survives_compaction(store: Store) -> None:
    backend = store.backend
    value = store.values.save(1)
    backend.create(call_key(RUN, "call", 0), encode(call_of(value)))
    backend.create(start_key(RUN, Task("a", 0, 1)), encode(Started(step="a", index=0, number=1, time=1.0)))
    backend.create(start_key(RUN, Task("a", 0, 2)), encode(Started(step="a", index=0, number=2, time=2.0)))
    backend.create(
        attempt_key(RUN, Task("a", 0, 1)), encode(ended(Instance("a", 0, TAKE), 1, "failed", retry=True).record)
    )
    backend.create(attempt_key(RUN, Task("b", 0, 0)), encode(cached_of(value)))
    backend.create(attempt_key(RUN, Task("a", 0, 1, 0)), encode(ended(Instance("a", 0, TAKE), 1, "failed").record))
    found = history.read_observations(backend, RUN)
    assert sorted(type(each).__name__ for each in found) == ["Cached", "Called", "Ended", "Started"]
    before = history.read_progress(backend, history.read_spec(backend, RUN))
    assert (before.instances["a", 0].running, before.instances["b", 0].cached is not None) == ((2, 2.0), True)
    history.compact(backend, RUN, claims.new_claim(1, now=1.0), found)
    prefix = run_prefix(RUN)
    assert [entry.key.removeprefix(prefix) for entry in list_all(backend, prefix)] == ["final/000001", "spec"]
    assert history.read_observations(backend, RUN) == list(history.read_compacted(backend, RUN)) == found


def test_of_one_instance_only_its_own_records_are_read(store: Store) -> None:
    for name, index, number in (("a", 0, 1), ("a", 0, 2), ("a", 1, 1), ("a", 10, 1), ("ab", 0, 1), ("a.0.b", 0, 3)):
        record = ended(Instance(name, index, TAKE), number, "failed").record
        store.backend.create(attempt_key(RUN, Task(name, index, number)), encode(record))
    store.backend.create(attempt_key(RUN, Task("a", 0, 2, 1)), b"a rank's")
    found = [each.record for each in history.read_instance(store.backend, RUN, "a", 0) if isinstance(each, Ended)]
    assert [(each.step, each.index, each.number) for each in found] == [("a", 0, 1), ("a", 0, 2)]


class Interrupting(Folder):
    """A back end in which something happens once, after the n-th request of a reader."""

    def __init__(self, root: Path, after: int, happens: Callable[[], None]) -> None:
        super().__init__(root)
        self._left = after
        self._happens = happens

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._happens()

    def list_after(self, prefix: str, after: str = "", limit: int = 1000) -> list[Entry]:
        found = super().list_after(prefix, after, limit)
        self._count()
        return found

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        found = super().get(key, start, length)
        self._count()
        return found


def test_a_reader_sees_everything_whenever_the_run_is_compacted(tmp_path: Path) -> None:
    def names(observations: list[Observation]) -> set[tuple[str, int]]:
        return {(each.record.step, each.record.index) for each in observations if isinstance(each, Ended)}

    for after in range(1, 20):
        plain = Folder(tmp_path / str(after))
        for index in range(3):
            record = ended(Instance("a", index, TAKE), 1, "succeeded").record
            plain.create(attempt_key(RUN, Task("a", index, 1)), encode(record))
        whole = history.read_observations(plain, RUN)
        claim = claims.new_claim(1, now=1.0)
        reader = Interrupting(plain.root, after, partial(history.compact, plain, RUN, claim, whole))
        assert names(history.read_observations(reader, RUN)) == names(whole)


# Claims ----------------------------------------------------------------------------------------


def test_a_run_that_was_handed_over_is_driven_until_it_is_given_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claims.take_claim(store.backend, RUN, now=time.time())
    assert claims.handed_over(store.backend, RUN, claim) is None
    handover = Handover(context="prod", namespace="ml", name="digits-1", cancels_before=2)
    claims.hand_over(store.backend, RUN, claim, handover)
    monkeypatch.setattr(claims, "maker_lives", lambda *_: False)  # its client is long gone
    assert claims.handed_over(store.backend, RUN, claim) == handover
    assert is_driven(store.backend, RUN)
    assert claims.newest_claim(store.backend, RUN) == claim
    with pytest.raises(ClaimedError):
        claims.take_claim(store.backend, RUN, now=time.time())
    assert not claims.has_ended(store.backend, RUN, claim)
    claims.release(store.backend, RUN, claim)
    assert claims.has_ended(store.backend, RUN, claim) and not is_driven(store.backend, RUN)
    later = claims.take_claim(store.backend, RUN, now=time.time())
    assert (later.number, claims.is_fenced(store.backend, RUN, claim), claims.is_fenced(store.backend, RUN, later)) == (
        2,
        True,
        False,
    )


# References ------------------------------------------------------------------------------------

LEAVE = {
    "an attempt": lambda value: (attempt_key(RUN, Task("a", 0, 1)), encode(ended(Instance("a", 0, TAKE), 1, "succeeded", outcome=Outcome(outputs=(value,))).record)),
    "what the cache had": lambda value: (attempt_key(RUN, Task("b", 0, 0)), encode(cached_of(value))),
    "a call": lambda value: (call_key(RUN, "call", 0), encode(call_of(value))),
    "what ranks are told": lambda value: (task_key(RUN, Task("a", 0, 1)), msgspec.msgpack.encode(task_of(value))),
}  # fmt: skip


@pytest.mark.parametrize("by", LEAVE)
def test_a_value_that_one_record_alone_refers_to_is_kept(store: Store, by: str) -> None:
    value, garbage = store.values.save({"kept": by}), store.values.save({"garbage": by})
    store.backend.create(*LEAVE[by](value))
    assert [each.ref.digest for each in read_references(store.backend, RUN).references] == [value.digest]
    collect(store, plan_collection(store, 0.0))
    assert (store.values.exists(value), store.values.exists(garbage)) == (True, False)
    store.backend.delete(object_key(value.digest))
    (fault,) = check(store).faults
    assert (fault.kind, fault.key) == ("missing object", object_key(value.digest))


def test_the_items_that_a_cached_step_listed_are_kept(store: Store) -> None:
    item = store.values.save("an item")
    listed = store.values.keep(encode(Items((item,))), "items")
    store.backend.create(attempt_key(RUN, Task("b", 0, 0)), encode(cached_of(store.values.save(1), listed)))
    collect(store, plan_collection(store, 0.0))
    assert store.values.exists(listed) and store.values.exists(item)


def test_a_check_knows_every_record_of_pods_and_finds_a_damaged_one(store: Store) -> None:
    value = store.values.save(1)
    for leave in LEAVE.values():
        store.backend.create(*leave(value))
    claim = claims.take_claim(store.backend, RUN, now=time.time())
    claims.hand_over(store.backend, RUN, claim, Handover(context="c", namespace="n", name="w"))
    claims.release(store.backend, RUN, claim)
    started = start_key(RUN, Task("a", 0, 1))
    submission = Submission(run=RUN, flow="f", context=Context(name="c", store="s3://b"), namespace="n")
    store.backend.create(started, encode(Started(step="a", index=0, number=1, time=1.0)))
    store.backend.create(submission_key(RUN, 1), encode(submission))
    store.backend.create(f"{run_prefix(RUN)}occurrences/d.000000", b"a.0")
    store.backend.put(log_key(RUN, Task("a", 0, 1)), b"\xff")
    store.backend.put(metrics_key(RUN, Task("a", 0, 1)), b"{")
    assert check(store).faults == ()
    handed = f"{run_prefix(RUN)}claims/000001.cluster"
    judged = [started, submission_key(RUN, 1), call_key(RUN, "call", 0), attempt_key(RUN, Task("b", 0, 0)), handed]
    for key in judged:
        store.backend.put(key, b"{")
    assert sorted(each.key for each in check(store).faults if each.kind == "damaged record") == sorted(judged)
    with pytest.raises(DamagedError):
        read_references(store.backend, RUN)


def test_the_index_is_rebuilt_from_what_pods_have_left(store: Store, tmp_path: Path) -> None:
    claim = claims.take_claim(store.backend, RUN, now=time.time())
    claims.hand_over(store.backend, RUN, claim, Handover(context="c", namespace="n", name="w"))
    note_transition(store.backend, RUN, "f", "running", now=utc_now())
    store.backend.create(attempt_key(RUN, Task("b", 0, 0)), encode(cached_of(store.values.save(1))))
    with open_index(f"sqlite:///{tmp_path / 'index.sqlite'}", tmp_path) as index:
        index.rebuild(store, lambda run: read_report(store.backend, run))
        before = index.dump()
        assert len(before["steps"]) == 2
        assert any("b" in row and "succeeded" in row for row in before["steps"])
        history.compact(store.backend, RUN, claim, history.read_observations(store.backend, RUN))
        index.rebuild(store, lambda run: read_report(store.backend, run))
        assert index.dump() == before


# Logs in pieces --------------------------------------------------------------------------------


def test_pieces_are_read_as_one_whatever_the_range(store: Store) -> None:
    key, other = log_key(RUN, Task("a.s", 0, 1)), log_key(RUN, Task("a.s", 0, 10))
    whole = bytes(range(100))
    for start, end in ((0, 40), (40, 41), (41, 100)):
        store.backend.put(segment_key(key, start), whole[start:end])
    store.backend.put(segment_key(other, 0), b"another's")
    assert segments_size(store.backend, key) == 100
    for start in range(0, 105, 7):
        for length in (1, 5, 60, 200):
            assert read_segments(store.backend, key, start, length) == whole[start : start + length]
    assert whole_key(segment_key(key, 40)) == whole_key(key) == key
    join_segments(store.backend, f"{run_prefix(RUN)}logs/")
    assert (store.backend.get(key), store.backend.get(other)) == (whole, b"another's")
    assert [entry.key for entry in list_all(store.backend, f"{run_prefix(RUN)}logs/")] == [key, other]


# Checkpoints -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "kept"), [("failed", True), ("succeeded", False)])
def test_checkpoints_in_a_remote_store_go_with_the_success_of_their_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, kept: bool
) -> None:
    monkeypatch.setattr(collecting, "PAUSE_S", 0.0)
    monkeypatch.setattr(opened, "open_backend", Remote)
    store = Store("memory://", tmp_path / "host")
    store.backend.create(spec_key(RUN), encode(RunSpec(run=RUN, created=1.0, graph=GRAPH)))
    history.compact(store.backend, RUN, claims.new_claim(1, now=1.0), [RunStatusChanged(status=status, time=1.0)])
    prefix = f"{run_prefix(RUN)}checkpoints/a.0/"
    for key in ("000000000001-0001/weights", "000000000001-0001.complete"):
        store.backend.put(prefix + key, b"12345")
    plan = collecting.plan_collection(store, 3600.0, now=time.time() + 7200)
    assert [(each.key, each.size_bytes) for each in plan.of_kind("checkpoint")] == (
        [] if kept else [(f"{run_prefix(RUN)}checkpoints/", 10)]
    )
    collecting.collect(store, plan)
    assert bool(list(list_all(store.backend, prefix))) == kept
