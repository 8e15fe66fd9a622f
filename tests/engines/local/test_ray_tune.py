"""Sweeps that Ray Tune runs, really: trials in Ray's processes, early stopping, a driver that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engines.local.driving import SOURCE, wait_for
from engines.local.test_frameworks import left_of
from fairlead.runs.logs import Log
from fairlead.runs.results import flow_result
from fairlead.specs.reports import RunReport
from fairlead.store.layout import Task
from fairlead.store.opened import Store
from testbed.operators import python_environment

pytestmark = [pytest.mark.components("ray"), pytest.mark.timeout(900)]

EPOCHS = 16
PATIENT = {"RAY_worker_register_timeout_seconds": "600"}
"""A process of Ray's is given a minute to start, which a machine with much to do may not do."""
FLOW = """
import os
import time
from pathlib import Path

import fairlead
from fairlead import flow, step, sweep
from fairlead.space import choice, integers, uniform

NOTES = Path(__file__).parent / "notes"


def note(text):
    with NOTES.open("a") as file:
        file.write(text + "\\n")


@step(cpu=1, cache=False)
def fit(rate: float, depth: int, kind: str, epochs: int, pause: float) -> dict:
    note(f"begin {rate}")
    for epoch in range(1, epochs + 1):
        time.sleep(pause)
        note(f"epoch {rate}")
        fairlead.log(loss=abs(rate - 0.5) + 1 / epoch, at=epoch)
    note(f"end {rate}")
    return {"rate": rate, "depth": depth, "kind": kind}


@step(cache=False)
def fail(x: int) -> int:
    if x % 2:
        raise ValueError(f"no luck with {x}")
    fairlead.log(score=x)
    return x


OVER = {"rate": uniform(0, 1), "depth": integers(1, 3), "kind": choice(["a", "b"])}
search = sweep(fit, over=OVER, trials=6, parallel=2, minimize="loss", sampler="random", seed=3)
pruned = sweep(fit, over=OVER, trials=8, parallel=2, minimize="loss", sampler="random", seed=3, pruner="halving")
medians = sweep(fit, over=OVER, trials=10, parallel=2, minimize="loss", sampler="random", seed=3, pruner="median")
bands = sweep(fit, over=OVER, trials=16, parallel=2, minimize="loss", sampler="random", seed=3, pruner="hyperband")
grid = sweep(fail, over={"x": integers(0, 3)}, trials=4, parallel=2, maximize="score", sampler="grid")
hopeless = sweep(fail, over={"x": [1, 3]}, trials=2, maximize="score", sampler="grid")
"""


class Bench:
    """Runs sweeps of a file in an environment with Ray Tune."""

    def __init__(self, folder: Path) -> None:
        (folder / "pyproject.toml").touch()
        (folder / "flow.py").write_text(FLOW)
        self.folder, self.home = folder, folder / "home"
        self.store = Store(str(self.home), self.home / "host")

    def begin(self, *words: str) -> subprocess.Popen[str]:
        outside = {"PYTHONPATH": SOURCE, "FAIRLEAD_HOME": str(self.home), "HOME": str(self.folder), **PATIENT}
        python = python_environment("frameworks") / "bin/python"
        command = [python, "-m", "fairlead", *words, "--relax", "--quiet", "-o", "json"]
        return subprocess.Popen(
            command, env=os.environ | outside, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, sweep: str, *words: str) -> subprocess.Popen[str]:
        return self.begin("run", f"{self.folder}/flow.py:{sweep}", "--target", "sweep=raytune", *words)

    def __call__(self, sweep: str, *words: str) -> RunReport:
        return report_of(self.run(sweep, *words))

    def notes(self, word: str) -> list[str]:
        """Return what trials have noted, each the rate it had."""
        path = self.folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(f"{word} ")]

    def told(self, report: RunReport, number: int | None = None) -> list[dict[str, Any]]:
        """Return what the log of an attempt says of each trial; of the last one, if none is named."""
        (step,) = report.steps
        task = Task(step.name, step.index, number or step.attempts[-1].number)
        lines = b"".join(Log(self.store, report.run, task).blocks()).decode(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"trial":')]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    wait_for(lambda: not left_of(tmp_path))


def test_ray_s_trials_are_those_of_a_sweep_and_its_result_is_the_same(bench: Bench) -> None:
    report = bench("search", "--epochs", "2", "--pause", "0")
    (step,) = report.steps
    assert (report.status, step.name) == ("succeeded", "sweep-fit"), step.attempts
    result = flow_result(bench.store, report.run)
    assert result["value"] == result["parameters"]
    rates = {float(rate) for rate in bench.notes("end")}
    assert len(rates) == 6
    assert result["parameters"]["rate"] == min(rates, key=lambda rate: abs(rate - 0.5))
    assert result["score"] == abs(result["parameters"]["rate"] - 0.5) + 0.5
    told = bench.told(report)
    assert {(each["trial"], each["state"]) for each in told} == {(number, "succeeded") for number in range(6)}
    assert {each["parameters"]["rate"] for each in told} == rates
    assert step.metrics["loss"] in {each["score"] for each in told}


@pytest.mark.parametrize(("sweep", "trials"), [("pruned", 8), ("medians", 10), ("bands", 16)])
def test_early_stopping_runs_fewer_epochs_and_still_finds_the_best(sweep: str, trials: int, bench: Bench) -> None:
    report = bench(sweep, "--epochs", str(EPOCHS), "--pause", "0.05")
    assert report.status == "succeeded", report.steps[0].attempts
    states = Counter(each["state"] for each in bench.told(report))
    assert states["pruned"] > 0 and states["succeeded"] > 0 and states.total() == trials
    epochs = len(bench.notes("epoch"))
    assert epochs < trials * EPOCHS
    assert states["succeeded"] * EPOCHS <= epochs
    best = flow_result(bench.store, report.run)["parameters"]["rate"]
    assert best == min(map(float, bench.notes("end")), key=lambda rate: abs(rate - 0.5))


def test_a_killed_driver_goes_on_and_runs_no_trial_again_that_had_ended(bench: Bench) -> None:
    started = bench.run("search", "--epochs", "4", "--pause", "0.3")
    wait_for(lambda: len(bench.notes("end")) >= 3 or started.poll() is not None, patience_s=400)
    os.kill(driver_of(bench.folder), signal.SIGKILL)
    killed = report_of(started)
    assert [(each.status, each.signal) for each in killed.steps[0].attempts] == [("failed", signal.SIGKILL)]
    report = report_of(bench.begin("resume", killed.run))
    (step,) = report.steps
    assert report.status == "succeeded", step.attempts
    begun = Counter(map(float, bench.notes("begin")))
    assert len(begun) == 6
    ended = [each["parameters"]["rate"] for each in bench.told(killed)]
    assert len(ended) >= 1
    assert {begun[rate] for rate in ended} == {1}
    assert {each["trial"] for each in bench.told(report)} == set(range(6))
    assert flow_result(bench.store, report.run)["parameters"]["rate"] == min(begun, key=lambda rate: abs(rate - 0.5))


def test_trials_that_fail_do_not_fail_a_sweep_and_all_of_them_do(bench: Bench) -> None:
    report = bench("grid")
    assert (report.status, flow_result(bench.store, report.run)["value"]) == ("succeeded", 2)
    assert Counter(each["state"] for each in bench.told(report)) == {"succeeded": 2, "failed": 2}
    report = bench("hopeless")
    error = report.steps[0].attempts[-1].error
    assert report.status == "failed" and error is not None
    assert "no trial of 'fail' succeeded" in error.message and "no luck with" in error.message


def report_of(process: subprocess.Popen[str]) -> RunReport:
    """Return what a command has printed of its run at its end."""
    with process:
        out, err = process.communicate()
    assert out, err
    return msgspec.json.decode(out.encode(), type=RunReport)


def driver_of(folder: Path) -> int:
    """Return the process that has begun Ray for a sweep."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            ours = f"HOME={folder}\0".encode() in (process / "environ").read_bytes()
            if ours and b"gcs_server" in (process / "cmdline").read_bytes().partition(b"\0")[0]:
                return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    raise AssertionError("Ray does not run")
