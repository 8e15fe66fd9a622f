"""What must be true of a run that is half done in one place and goes on in another: one table for all places.

A place is a `Launch` of the conformance suite. Nothing that has succeeded is executed again, wherever that was.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engines import crossing_flows
from engines.local.driving import steps_of, wait_for
from fairlead.errors import ClaimedError
from fairlead.runs.handles import Run
from fairlead.store import claims
from fairlead.testing.engines import Ended, Launch


class Sites(NamedTuple):
    """The place where a run begins, and the one where it goes on; both see one store."""

    first: Launch
    second: Launch


class Crossing(NamedTuple):
    """A flow that fails at first, and what it returns in the end."""

    flow: str
    parameters: dict[str, Any]
    returns: Any


TABLE = [
    Crossing("chained", {"x": 1}, 12),
    Crossing("half_mapped", {"count": 5}, 15),
    Crossing("length_known", {"count": 3}, 6),
    Crossing("length_unknown", {"count": 3}, 6),
    Crossing("conditions", {"score": 0.9}, ["good", "later"]),
    Crossing("conditions", {"score": 0.2}, ["bad", "never"]),
]


def copied(folder: Path) -> Path:
    """Return the file with the flows, where a user's file would lie."""
    copy = folder / "project" / "crossing_flows.py"
    copy.parent.mkdir()
    (copy.parent / "pyproject.toml").touch()
    shutil.copyfile(crossing_flows.__file__, copy)
    return copy


class CrossingContract:
    """What holds between any two places, as tests."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return copied(tmp_path)

    @pytest.mark.parametrize("crossing", TABLE, ids=lambda each: f"{each.flow}-{json.dumps(each.parameters)}")
    def test_a_run_that_failed_goes_on_elsewhere(self, sites: Sites, file: Path, crossing: Crossing) -> None:
        ended = sites.first(file, crossing.flow, crossing.parameters)
        assert ended.report.status == "failed", ended.report
        resumed = sites.second.resume(ended.report.run)
        check_resumed(sites, ended, resumed, crossing.returns)

    def test_a_run_that_was_cancelled_goes_on_elsewhere(self, sites: Sites, file: Path) -> None:
        run = sites.first.begin(file, "stopped", {"x": 1}, until="stuck")
        ended = sites.first.cancel(run)
        assert ended.report.status == "cancelled"
        check_resumed(sites, ended, sites.second.resume(run), 5)

    def test_a_run_goes_there_and_back(self, sites: Sites, file: Path) -> None:
        """Attempts are counted on, whoever makes them."""
        ended = sites.first(file, "stubborn", {})
        there = sites.second.resume(ended.report.run)
        assert there.report.status == "failed"
        back = sites.first.resume(ended.report.run)
        assert back.report.status == "succeeded", back.report
        (step,) = (each for each in back.report.steps if each.name == "fail_twice")
        assert [(each.number, each.status) for each in step.attempts] == [
            (1, "failed"), (2, "failed"), (3, "succeeded"),
        ]  # fmt: skip

    def test_equal_executions_stay_different_ones(self, sites: Sites, file: Path) -> None:
        """Of which some were made before, and others are elsewhere."""
        ended = sites.first(file, "equals", {"count": 3}, use_cache=True)
        resumed = sites.second.resume(ended.report.run)
        assert resumed.report.status == "succeeded", words(resumed)
        assert len(set(result(sites, resumed))) == 6

    def test_what_is_in_the_cache_is_found_elsewhere(self, sites: Sites, file: Path) -> None:
        """By every step of the same flow: its key does not know where it was."""
        first = sites.first(file, "half_mapped", {"count": 4}, use_cache=True)
        assert sites.first.resume(first.report.run).report.status == "succeeded"
        again = sites.second(file, "half_mapped", {"count": 4}, use_cache=True)
        assert again.report.status == "succeeded"
        assert {each.name for each in again.report.steps if not each.cached} == set()

    def test_a_run_that_lives_is_refused_with_its_place(self, sites: Sites, file: Path) -> None:
        run = sites.first.begin(file, "stopped", {"x": 1}, until="stuck")
        try:
            with pytest.raises(ClaimedError) as refused:
                claims.take_claim(sites.second.store.backend, run, now=time.time())
            assert run in refused.value.what and refused.value.where
            assert f"fairlead cancel {run}" in (refused.value.next or "")
        finally:
            sites.first.cancel(run)

    def test_with_other_code_only_what_changed_is_executed_again(
        self, sites: Sites, file: Path, resume_with_current_code: Callable[[Launch, str], Ended]
    ) -> None:
        """What is behind a step that changed counts where that step gave the same; without any cache."""
        ended = sites.first(file, "changed", {"x": 3})
        before = {each.name: each for each in ended.report.steps}
        assert ended.report.status == "failed"
        file.write_text(file.read_text().replace("return x * 1", "return x + 2"))
        resumed = resume_with_current_code(sites.second, ended.report.run)
        assert resumed.report.status == "succeeded", words(resumed)
        after = {each.name: each for each in resumed.report.steps}
        assert (value(sites, resumed, "source"), value(sites, resumed, "parity")) == (5, 1)
        for name in ("apart", "kept"):  # the parity of 3 and 5 is the same
            assert after[name].artifact == before[name].artifact, name
        for name in ("source", "other", "again"):
            assert after[name].artifact != before[name].artifact, name


class DriverCrossing:
    """The same of what needs pods that create others: dynamic flows, sweeps and gangs."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return copied(tmp_path)

    def test_a_dynamic_flow_goes_on_elsewhere(self, sites: Sites, file: Path) -> None:
        """Its body goes through its calls once more, and those that had succeeded are answered."""
        ended = sites.first(file, "loop", {"goal": 20})
        assert (ended.report.status, len(ended.report.steps)) == ("failed", 6), words(ended)
        check_resumed(sites, ended, sites.second.resume(ended.report.run), 67)

    def test_a_sweep_goes_on_elsewhere(self, sites: Sites, file: Path) -> None:
        """With the trials that it had, and those that were cut short as they were."""
        pytest.importorskip("optuna")
        run = sites.first.begin(file, "swept", {}, until="trial")
        wait_for(lambda: _done(sites, run) == 2, patience_s=300)
        ended = sites.first.cancel(run)
        assert ended.report.status == "cancelled"
        resumed = sites.second.resume(run)
        assert (resumed.report.status, result(sites, resumed)) == ("succeeded", [3, 0.0]), words(resumed)
        trials = [each for each in resumed.report.steps if each.name == "trial"]
        assert sorted(len(each.attempts) for each in trials) == [1, 1, 2, 2]

    def test_a_gang_goes_on_elsewhere(self, sites: Sites, file: Path) -> None:
        ended = sites.first(file, "gang", {})
        assert ended.report.status == "failed", words(ended)
        check_resumed(sites, ended, sites.second.resume(ended.report.run), "rank 0 of 2")


def _done(sites: Sites, run: str) -> int:
    return sum(each.status == "succeeded" for each in steps_of(sites.first.store, run, "trial"))


def check_resumed(sites: Sites, ended: Ended, resumed: Ended, returns: Any) -> None:
    """Hold a resumed run against what it was when it stopped."""
    assert (resumed.report.status, resumed.exit_code) == ("succeeded", 0), resumed.report
    assert resumed.report.run == ended.report.run
    assert result(sites, resumed) == returns
    after = {(each.name, each.index): each for each in resumed.report.steps}
    for each in ended.report.steps:
        if each.status == "succeeded":
            assert after[each.name, each.index].attempts == each.attempts, each.name
        elif each.status == "failed":
            assert [attempt.status for attempt in after[each.name, each.index].attempts] == ["failed", "succeeded"]


def words(ended: Ended) -> str:
    """Say of each step what became of it."""
    lines = [f"{each.name}/{each.index} {each.status} {each.reason or ''}" for each in ended.report.steps]
    return "\n".join([f"run {ended.report.status}", *lines])


def result(sites: Sites, ended: Ended) -> Any:
    return Run(sites.second.store, ended.report.run, ended.report).result()


def value(sites: Sites, ended: Ended, name: str) -> Any:
    return Run(sites.second.store, ended.report.run, ended.report).value(name)
