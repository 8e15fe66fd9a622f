"""One suite for the index on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from fairlead.errors import NotFoundError
from fairlead.specs.reports import RunReport
from fairlead.store.index.index import Index
from fairlead.store.opened import Store

from .writing import Runs

Read = Callable[[str], RunReport]


def names(found: list) -> list[str]:
    return [each.run for each in found]


def test_a_run_is_listed_as_its_report_says(index: Index, runs: Runs, read: Read) -> None:
    run = runs.add("digits", rows=500, labels={"team": "a"}, accuracy=0.75)
    assert index.sync(runs.store, read)
    (found,) = index.runs(all=True)
    report = read(run)
    for name in type(found).__struct_fields__:
        assert getattr(found, name) == getattr(report, name), name


def test_runs_are_filtered_and_newest_first(index: Index, runs: Runs, read: Read) -> None:
    first = runs.add(labels={"team": "a", "env": "x"})
    second = runs.add("other", "failed", labels={"team": "a"})
    third = runs.start(labels={"team": "b"})
    index.sync(runs.store, read)
    assert names(index.runs(all=True)) == [third, second, first]
    assert names(index.runs()) == [third]
    assert names(index.runs(flow="other", all=True)) == [second]
    assert names(index.runs(status="failed")) == [second]
    assert names(index.runs(status=("failed", "succeeded"))) == [second, first]
    assert names(index.runs(labels={"team": "a"}, all=True)) == [second, first]
    assert names(index.runs(labels={"team": "a", "env": "x"}, all=True)) == [first]
    assert names(index.runs(labels={"team": "a"}, status="failed", flow="other")) == [second]
    assert names(index.runs(since=runs.now - timedelta(minutes=1), until=runs.now, all=True)) == [second]
    assert index.runs(flow="none", all=True) == []


def test_common_and_rare_filters_give_the_same(
    index: Index, runs: Runs, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        runs.add(
            "digits" if number % 2 else "other", "failed" if number % 3 else "succeeded", labels={"k": str(number % 2)}
        )
    index.sync(runs.store, read)

    def ask() -> list[object]:
        both = {"labels": {"k": "1"}, "status": "failed"}
        metrics = [index.metric_table("accuracy", sort=sort, **some) for sort in (None, "max") for some in ({}, both)]
        return [
            index.runs(**both),
            index.runs(flow="digits", **both),
            index.steps(**both),
            index.steps(name="fit", **both),
            metrics,
        ]

    rare = ask()
    monkeypatch.setattr("fairlead.store.index.filters.FEW", 0)
    assert ask() == rare
    assert all(rare)


def test_pages_hold_every_run_and_step_once(index: Index, runs: Runs, read: Read) -> None:
    made = [runs.add(labels={"k": "v"}) for _ in range(7)]
    index.sync(runs.store, read)
    pages, after = [], None
    while page := index.runs(all=True, limit=3, after=after, labels={"k": "v"}):
        pages += names(page)
        after = page[-1].run
    assert pages == made[::-1]
    steps, last = [], None
    while some := index.steps(limit=3, after=last, status=("succeeded", "pending")):
        steps += [(each.run, each.name) for each in some]
        last = some[-1]
    assert steps == [(run, name) for run in made[::-1] for name in ("fit", "load")]
    labelled, last = [], None
    while some := index.steps(limit=3, after=last, labels={"k": "v"}):
        labelled += [(each.run, each.name) for each in some]
        last = some[-1]
    assert labelled == steps
    with pytest.raises(NotFoundError, match="first page"):
        index.runs(after="20260101-000000-xxxxx")


def test_steps_are_found_over_all_runs(index: Index, runs: Runs, read: Read) -> None:
    runs.add()
    bad = runs.add("other", "failed")
    index.sync(runs.store, read)
    (step,) = index.steps(status="failed")
    assert (step.run, step.flow, step.name, step.index, step.ordinal) == (bad, "other", "fit", 0, 1)
    assert (step.error, step.cached, step.artifact) == ("ValueError", False, None)
    assert step.started and step.finished and step.finished > step.started
    assert [each.artifact for each in index.steps(name="load", flow="other")] == ["a" * 64]
    assert [each.name for each in index.steps(run=bad)] == ["load", "fit"]
    assert [each.name for each in index.steps(run=bad, after=index.steps(run=bad)[0])] == ["fit"]


def test_runs_are_compared_by_a_metric(index: Index, runs: Runs, read: Read) -> None:
    made = [runs.add(accuracy=value) for value in (0.5, 0.9, 0.7)]
    runs.start()
    index.sync(runs.store, read)
    table = index.metric_table("accuracy", sort="last")
    assert [each.run.run for each in table] == [made[number] for number in (1, 2, 0)]
    assert (table[0].step, table[0].last, table[0].min, table[0].max) == ("fit", 0.9, 0.45, 1.8)
    lowest = index.metric_table("accuracy", sort="min", descending=False, limit=1)
    assert [each.run.run for each in lowest] == [made[0]]
    assert [each.run.run for each in index.metric_table("accuracy")] == made[::-1]
    assert index.metric_table("loss") == []


def test_a_metric_that_is_no_number_comes_last(index: Index, runs: Runs, read: Read) -> None:
    values = {runs.add(): value for value in (math.nan, math.inf, 0.5)}

    def diverged(run: str) -> RunReport:
        found, logged = read(run), {"loss": values[run]}
        steps = (*found.steps[:-1], msgspec.structs.replace(found.steps[-1], metrics=logged))
        return msgspec.structs.replace(found, metrics=logged, steps=steps)

    index.sync(runs.store, diverged)
    for descending in (True, False):
        table = index.metric_table("loss", sort="last", descending=descending)
        assert math.isnan(table[-1].last) and math.isnan(table[-1].run.metrics["loss"])
        assert [each.last for each in table[:-1]] == sorted([0.5, math.inf], reverse=descending)


def test_a_sync_reads_only_what_changed(index: Index, runs: Runs, read: Read) -> None:
    ended, open_run = runs.add(), runs.start()
    index.sync(runs.store, read)
    asked: list[str] = []
    noting = lambda run: (asked.append(run), read(run))[1]  # noqa: E731
    index.sync(runs.store, noting)
    assert asked == [open_run]
    runs.end(open_run)
    index.sync(runs.store, noting)
    asked.clear()
    index.sync(runs.store, noting)
    assert asked == []
    assert {each.status for each in index.runs(all=True)} == {"succeeded"}
    runs.label(ended, team="z")
    runs.note(ended, "digits", "succeeded", runs.now + timedelta(minutes=5))
    index.sync(runs.store, noting)
    assert asked == [ended]
    assert names(index.runs(all=True, labels={"team": "z"})) == [ended]


def test_transitions_of_slow_and_fast_clocks_are_taken_in(index: Index, runs: Runs, read: Read) -> None:
    first, second, third = runs.start(), runs.start(), runs.start()
    runs.end(first)
    runs.note(third, "digits", "running", runs.now + timedelta(days=400))  # a clock far ahead
    index._now = lambda: runs.now
    index.sync(runs.store, read)
    runs.end(second)
    late = runs.now - timedelta(minutes=5)
    runs.note("20260301-115900-bcdfg", "ghost", "running", late)  # a run that is gone when it is read
    index.sync(runs.store, read)
    assert {each.run: each.status for each in index.runs(all=True)} == {
        first: "succeeded", second: "succeeded", third: "running",
    }  # fmt: skip


def test_a_removed_run_is_forgotten(index: Index, runs: Runs, read: Read) -> None:
    kept, removed, lost_track = runs.add(), runs.add(), runs.add()
    index.sync(runs.store, read)
    runs.remove(removed)
    index.sync(runs.store, read)
    index.remove(lost_track)
    index.remove("20260101-000000-xxxxx")
    assert names(index.runs(all=True)) == [kept]
    assert {each.run for each in index.steps()} == {kept}


def test_a_run_without_a_driver_is_lost_and_found(index: Index, runs: Runs, read: Read) -> None:
    from fairlead.store.claims import release

    run = runs.start()
    release(runs.store.backend, run, runs.claims[run])
    index._now = lambda: runs.now
    index.sync(runs.store, read)
    assert [each.status for each in index.runs()] == ["lost"]
    runs.store.backend.delete(f"runs/{run}/claims/000001.end")
    index.sync(runs.store, read)
    assert [each.status for each in index.runs()] == ["running"]


def test_a_rebuild_equals_what_was_kept_up(index: Index, runs: Runs, read: Read) -> None:
    for number in range(30):
        run = runs.start("digits", labels={"n": str(number)}, rows=number)
        index.sync(runs.store, read)
        runs.end(run, "failed" if number % 4 else "succeeded", accuracy=number / 7)
    runs.start()
    runs.remove(run)
    index.sync(runs.store, read)
    kept = index.dump()
    assert len(kept["runs"]) == 30 and len(kept["steps"]) == 60
    index.rebuild(runs.store, read)
    assert index.dump() == kept


def test_a_rebuild_that_fails_changes_nothing(index: Index, runs: Runs, read: Read) -> None:
    runs.add()
    index.sync(runs.store, read)
    kept = index.dump()
    with pytest.raises(ZeroDivisionError):
        index.rebuild(runs.store, lambda run: 1 // 0)  # type: ignore[arg-type, return-value]
    assert index.dump() == kept


def test_a_damaged_run_is_listed_and_hides_no_other(index: Index, runs: Runs, read: Read) -> None:
    good, bad = runs.add(), runs.add()
    for entry in runs.store.backend.list_after(f"runs/{bad}/observed/"):
        runs.store.backend.put(entry.key, b"{")
    index.sync(runs.store, read)
    found = index.runs(all=True)
    assert names(found) == [bad, good]
    assert "is damaged" in str(found[0].reason)


def test_an_index_follows_the_store_that_is_used(index: Index, runs: Runs, read: Read, tmp_path: Path) -> None:
    runs.add()
    index.sync(runs.store, read)
    other = Runs(Store(str(tmp_path / "other"), tmp_path / "host"))
    from fairlead.runs.reporting import read_report

    other.add("elsewhere")
    index.sync(other.store, lambda run: read_report(other.store.backend, run))
    assert [each.flow for each in index.runs(all=True)] == ["elsewhere"]


def test_a_sync_gives_way_to_another_one(index: Index, runs: Runs, read: Read) -> None:
    runs.add()

    def while_another_asks(run: str) -> RunReport:
        assert index.sync(runs.store, read, patience_s=0) is False
        return read(run)

    assert index.sync(runs.store, while_another_asks) is True
    assert len(index.runs(all=True)) == 1
