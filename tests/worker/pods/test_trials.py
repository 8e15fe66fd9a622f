"""Trials that a component proposes: real processes, as its pods would be, which become steps of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.pods.running import Pod, PodLaunch, PodRun, environment

FLOW = """
import fairlead
from fairlead import flow, step, sweep
from fairlead.space import integers

@step
def read() -> list[float]:
    return [0.5, 1.0]

@step
def fit(xs: list[float], depth: int, kind: str | None) -> str:
    for epoch in range(2):
        fairlead.log(score=sum(xs) * depth + epoch, other=1, at=epoch)
    return f"{depth} {kind}"

@flow
def tuned():
    return sweep(fit, over={"depth": integers(1, 9), "kind": ["a", None]}, maximize="score")(read())
"""


class Trial(Pod):
    """The pod of a trial."""

    def __init__(self, run: PodRun, folder: Path, name: str, *given: str) -> None:
        super().__init__(run, 1, 0, folder)
        self._where = (*self._where, f"--trial={name}", *(f"--given={each}" for each in given))


@pytest.fixture
def run(tmp_path: Path, launch: PodLaunch) -> PodRun:
    file = tmp_path / "project" / "tuning.py"
    file.parent.mkdir()
    file.write_text(FLOW)
    run = launch.submit(file, "tuned", {})
    run.pod(0).run()
    return run


def test_a_trial_is_a_step_of_the_run_and_prints_what_a_component_reads(run: PodRun, tmp_path: Path) -> None:
    shown = environment() | {"FAIRLEAD_SHOW_METRICS": "1"}
    for name, depth, kind in (("t-a", 3, "a"), ("t-b", 4, "null")):
        pod = Trial(run, tmp_path / name, name, f"depth={depth}", f"kind={kind}")
        assert pod.attempt(env=shown) == 0, pod.output
        lines = pod.output.decode().splitlines()
        assert lines == [f"score={depth * 1.5}", "other=1.0", f"score={depth * 1.5 + 1}", "other=1.0"]
        assert pod.attempt(env=shown) == 0, "a pod that is started again is the same trial"
        assert not pod.output
    trials = [each for each in run.ended().report.steps if each.name == "fit"]
    assert [(each.status, len(each.attempts)) for each in trials] == [("succeeded", 1)] * 2
    assert sorted(each.metrics["score"] or 0 for each in trials) == [5.5, 7.0]


def test_what_a_step_logs_is_printed_only_where_it_is_asked_for(run: PodRun, tmp_path: Path) -> None:
    pod = Trial(run, tmp_path / "quiet", "quiet", "depth=1", "kind=a")
    assert pod.attempt() == 0
    assert not pod.output


def test_what_is_no_point_of_the_space_is_refused(run: PodRun, tmp_path: Path) -> None:
    pod = Trial(run, tmp_path / "bad", "bad", "depth=10", "kindd=a")
    assert pod.attempt() == 1
    for said in (b"kind: is not proposed", b"kindd: is not swept", b"depth: must lie between 1 and 9, got '10'"):
        assert said in pod.output
