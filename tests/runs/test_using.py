"""What records say that steps used: of the newest runs, with what watchers have seen, and of so many attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fairlead.errors import NotFoundError
from fairlead.runs import using
from fairlead.runs.earlier import RUNS_READ
from fairlead.runs.using import used_by
from fairlead.specs.capacity import NotRead
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.reports import ErrorReport
from fairlead.specs.resources import Resources
from fairlead.specs.steps import FunctionStep
from fairlead.store.backends import Backend, Folder
from fairlead.store.catalog import note_transition
from fairlead.store.claims import take_claim
from fairlead.store.history import compact
from fairlead.store.layout import spec_key
from fairlead.store.records import AttemptRecord, Ended, Evidence, Observation, RunSpec, encode

BEGUN = datetime(2026, 11, 1, tzinfo=UTC)


def attempt(index: int = 0, status: str = "succeeded", error: str = "", **fields: object) -> AttemptRecord:
    found = ErrorReport(type=error, message="m") if error else None
    return AttemptRecord(
        step="fit", index=index, number=1, status=status, started=100.0, finished=110.0, error=found, **fields
    )  # type: ignore[arg-type]  # fields of a record


def ended(backend: Backend, number: int, *observations: Observation, memory: str = "1Gi", flow: str = "f") -> str:
    """Have a run of one step that has ended."""
    run, now = f"20261101-{number:06}-abcde", BEGUN + timedelta(minutes=number)
    step = FunctionStep(name="fit", function="m:f", resources=Resources(memory=memory))
    graph = Graph(flow=flow, steps={"fit": step}, nodes=(Node(step="fit"),))
    backend.create(spec_key(run), encode(RunSpec(run=run, created=now.timestamp(), graph=graph)))
    note_transition(backend, run, flow, "running", now=now)
    compact(backend, run, take_claim(backend, run, now=now.timestamp()), observations)
    note_transition(backend, run, flow, "succeeded", now=now + timedelta(seconds=30))
    return run


def test_the_newest_run_comes_first_and_what_it_asked_for_then_counts(tmp_path: Path) -> None:
    backend = Folder(tmp_path)
    ended(backend, 1, Ended(record=attempt(peak_memory_bytes=5, cpu_s=20.0)), memory="2Gi")
    ended(backend, 2, Ended(record=attempt(peak_memory_bytes=7)))
    (found,) = used_by(backend, ["f"], [])
    assert (found.flow, found.step) == ("f", "fit")
    assert [(each.memory_request_bytes, each.memory_used_bytes, each.cpu_used_millis) for each in found.usages] == [
        (1 << 30, 7, None), (2 << 30, 5, 2000),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "cause", "killed"),
    [("Memory", "", True), ("Lost", "Memory", True), ("Lost", "NodeLost", False), ("ValueError", "", False)],
)
def test_an_attempt_is_killed_where_its_record_or_its_pod_says_so(
    tmp_path: Path, error: str, cause: str, killed: bool
) -> None:
    backend = Folder(tmp_path)
    seen = Evidence(
        step="fit", index=0, number=1, pod="p", uid="u", transition="ended", time=110.0, cause=cause, message="m"
    )
    record = Ended(record=attempt(status="failed", error=error, pod_uid="u"))
    ended(backend, 1, record, *([seen] if cause else []))
    ((usage,),) = (each.usages for each in used_by(backend, [], []))
    assert (usage.killed, usage.failed) == (killed, True)


def test_so_many_attempts_of_so_many_runs_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Folder(tmp_path)
    for number in range(RUNS_READ + 3):
        ended(backend, number, Ended(record=attempt()), Ended(record=attempt(index=0, rank=None)))
    assert [len(each.usages) for each in used_by(backend, [], [])] == [2 * RUNS_READ]
    monkeypatch.setattr(using, "ATTEMPTS_ENOUGH", 3)
    assert [len(each.usages) for each in used_by(backend, [], [])] == [3]


def test_what_can_not_be_read_is_named_and_the_rest_counts(tmp_path: Path) -> None:
    backend = Folder(tmp_path)
    damaged = ended(backend, 1, Ended(record=attempt()))
    ended(backend, 2, Ended(record=attempt()), flow="g")
    backend.put(spec_key(damaged), b"{")
    gaps: list[NotRead] = []
    assert [each.flow for each in used_by(backend, [], gaps)] == ["g"]
    assert [each.what for each in gaps] == [f"run {damaged}"]
    with pytest.raises(NotFoundError, match="no run of a flow 'h' has ended"):
        used_by(backend, ["g", "h"], [])
