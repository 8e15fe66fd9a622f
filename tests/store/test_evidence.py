"""Merging what watchers saw with what workers recorded: total, in any order, and only where a worker knew no better."""

from __future__ import annotations

import random
import time
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fairlead.runs.reporting import read_report
from fairlead.runs.timeline import read_timeline
from fairlead.specs.causes import CAUSES, UNKNOWN
from fairlead.specs.reports import ErrorReport
from fairlead.store.evidence import all_explained, explained, is_unexplained, kept, read_evidence, telling
from fairlead.store.history import read_compacted
from fairlead.store.layout import Task, attempt_key, evidence_key, start_key
from fairlead.store.progress import Progress
from fairlead.store.records import AttemptRecord, Ended, Evidence, Observation, Started, encode
from store.playing import SEEDS, Play, count_items, graphs
from worker.test_concluding import CHAIN, RUN, Left

CHOICES = st.sampled_from([*CAUSES, "FromTheFuture"])
SIGHTINGS = st.builds(
    Evidence,
    step=st.sampled_from("ab"), index=st.integers(0, 1), number=st.integers(0, 2), pod=st.just("p"),
    uid=st.sampled_from(["u1", "u2"]), transition=st.sampled_from(["ended", "ending", "gone", "unplaced"]),
    time=st.floats(0, 10), cause=CHOICES, message=st.text(max_size=5), infrastructure=st.booleans(),
    log=st.sampled_from(["", "one\ntwo\n"]), waiting=st.sampled_from(["", "waiting-placement"]),
)  # fmt: skip
ERRORS = st.none() | st.builds(ErrorReport, type=st.sampled_from([*UNKNOWN, "ValueError"]), message=st.just("m"))
RECORDS = st.builds(
    AttemptRecord,
    step=st.sampled_from("ab"), index=st.integers(0, 1), number=st.integers(1, 2), started=st.just(1.0), finished=st.just(2.0),
    status=st.sampled_from(["succeeded", "failed", "cancelled", "lost"]), error=ERRORS, retry=st.booleans(),
    infrastructure=st.booleans(), pod_uid=st.sampled_from(["", "u1", "u2"]),
)  # fmt: skip


@given(RECORDS, st.lists(SIGHTINGS, max_size=4), SEEDS)
def test_an_attempt_is_explained_once_and_by_the_same_sighting_in_any_order(
    record: AttemptRecord, seen: list[Evidence], seed: int
) -> None:
    found = explained(record, seen)
    assert explained(record, random.Random(seed).sample(seen, len(seen))) == found
    assert explained(found, ()) == found
    assert (found.retry, found.number, found.started) == (record.retry, record.number, record.started)
    ends = [each for each in seen if not each.waiting]
    if not is_unexplained(record) or not ends:
        assert found == record
    else:
        best = telling(ends)
        assert best is not None and found.error is not None
        assert (found.error.type, found.error.message) == (best.cause, best.message)
        assert (found.status, found.infrastructure) == ("failed", best.infrastructure)


@given(st.lists(RECORDS.map(lambda record: Ended(record=record)) | SIGHTINGS, max_size=8), SEEDS)
def test_a_run_s_records_are_explained_alike_in_any_order_and_lose_nothing(
    records: list[Observation], seed: int
) -> None:
    shuffled = random.Random(seed).sample(records, len(records))
    as_set = lambda listed: sorted(map(repr, listed))  # noqa: E731  # twice below
    assert as_set(all_explained(shuffled)) == as_set(all_explained(records))
    ended = [each for each in records if isinstance(each, Ended)]
    assert len([each for each in kept(records) if isinstance(each, Ended)]) == len(ended)
    left = [each for each in kept(records) if isinstance(each, Evidence)]
    assert len({each.uid for each in left}) == len(left)
    assert as_set(kept(shuffled)) == as_set(kept(records))


@given(graphs(), SEEDS)
def test_evidence_changes_nothing_of_how_far_a_run_is(graph, seed) -> None:  # type: ignore[no-untyped-def]
    play = Play(graph, seed).run()
    chance = random.Random(seed)
    instances = list(play.progress.instances.values())
    seen: list[Observation] = [
        Evidence(
            step=each.name, index=each.index, pod="p", uid=f"u{number}", transition="ended", time=1.0,
            cause="Evicted", message="m", waiting="waiting-image",
        )
        for number, each in enumerate(instances)
    ]  # fmt: skip
    mixed = [*play.records]
    for each in seen:
        mixed.insert(chance.randint(0, len(mixed)), each)
    again, plain = (Progress(graph, count_items, records=given) for given in (mixed, play.records))
    assert {key: each.status for key, each in again.instances.items()} == {
        key: each.status for key, each in plain.instances.items()
    }
    assert sum(len(each.evidence) for each in again.instances.values()) == len(seen)


# In a store ------------------------------------------------------------------------------------


def seen(cause: str, uid: str, transition: str = "ended", **more: object) -> Evidence:
    fields = {"step": "a", "index": 0, "generation": 1, "pod": "pod-a", "time": time.time(), "message": f"{cause}!"}
    return msgspec.convert(
        {"kind": "evidence", **fields, "uid": uid, "transition": transition, "cause": cause, **more}, Evidence
    )


def keep(left: Left, *sightings: Evidence) -> None:
    for each in sightings:
        left.backend.create(evidence_key(RUN, each.uid, each.transition), encode(each))


def begin(left: Left, uid: str, number: int = 1) -> None:
    started = Started(step="a", index=0, number=number, time=time.time(), pod="pod-a", pod_uid=uid)
    left.backend.create(start_key(RUN, Task("a", 0, number)), encode(started))


def attempts(left: Left, step: str = "a") -> list[tuple[str, str, str]]:
    (found,) = (each for each in left.report().steps if each.name == step)
    return [(each.status, each.error.type, each.error.message) for each in found.attempts if each.error]


def test_an_attempt_that_died_with_its_pod_has_the_cause_that_was_seen(tmp_path: Path) -> None:
    left = Left(tmp_path, CHAIN)
    begin(left, "u1")
    keep(left, seen("Unschedulable", "u1", "unplaced", waiting="waiting-placement"))
    keep(
        left,
        seen("Memory", "u1", infrastructure=False, log="almost\n"),
        seen("Deleted", "u1", "gone"),
        seen("Image", "u9"),
    )
    assert left.conclude() == "failed"
    assert attempts(left) == [("failed", "Memory", "Memory!")]
    assert left.stored("evidence/") == []
    assert [(each.uid, each.cause) for each in read_compacted(left.backend, RUN) if isinstance(each, Evidence)] == [
        ("u1", "Memory"), ("u9", "Image"),
    ]  # fmt: skip
    assert "pod pod-a: Memory: Memory!" in [each.message for each in read_timeline(left.backend, RUN)]


def test_a_record_that_came_before_the_evidence_is_explained_when_it_is_read(tmp_path: Path) -> None:
    left = Left(tmp_path, CHAIN)
    lost = AttemptRecord(
        step="a", index=0, number=1, status="lost", started=1.0, finished=2.0, retry=True, infrastructure=True,
        error=ErrorReport(type="Lost", message="its pod was gone before it left a record"), pod_uid="u1",
    )  # fmt: skip
    left.backend.create(attempt_key(RUN, Task("a", 0, 1)), encode(lost))
    assert attempts(left)[0][:2] == ("lost", "Lost")
    keep(left, seen("Evicted", "u1", "ending"))
    assert attempts(left) == [("failed", "Evicted", "Evicted!")]
    assert any("Evicted!" in each.message and each.kind == "ended" for each in read_timeline(left.backend, RUN))


def test_pods_that_never_began_say_why(tmp_path: Path) -> None:
    left = Left(tmp_path, CHAIN)
    keep(left, seen("Image", "u1", "image", message="manifest unknown", waiting="waiting-image"))
    (step,) = (each for each in left.report().steps if each.name == "a")
    assert (step.status, step.reason) == ("waiting-image", "manifest unknown")
    assert left.conclude() == "failed"
    assert attempts(left)[0] == ("failed", "Image", "none of its pods could start: manifest unknown")


def test_what_was_seen_of_an_earlier_submission_explains_nothing_of_this_one(tmp_path: Path) -> None:
    left = Left(tmp_path, CHAIN)
    keep(left, seen("Image", "u1", "image", generation=7, waiting="waiting-image"))
    assert [each.status for each in left.report().steps if each.name == "a"] == ["pending"]
    left.conclude()
    assert attempts(left)[0] == ("failed", "Lost", "none of its pods could start")


def test_of_a_run_that_is_well_nothing_is_kept(tmp_path: Path) -> None:
    left = Left(tmp_path, CHAIN)
    for name in "abc":
        left.attempt(name)
    keep(left, seen("Placement", "u1", "unplaced", waiting="waiting-placement"))
    assert left.conclude() == "succeeded"
    assert not any(isinstance(each, Evidence) for each in read_compacted(left.backend, RUN))
    assert read_report(left.backend, RUN).status == "succeeded"


def test_the_sightings_of_one_pod_are_read_apart(tmp_path: Path) -> None:
    left = Left(tmp_path, CHAIN)
    keep(left, seen("Memory", "u1"), seen("Deleted", "u1", "gone"), seen("Image", "u11"), seen("Image", "u2"))
    assert {each.cause for each in read_evidence(left.backend, RUN, "u1")} == {"Memory", "Deleted"}
    assert len(list(read_evidence(left.backend, RUN))) == 4
