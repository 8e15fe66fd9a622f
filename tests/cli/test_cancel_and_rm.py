"""``fairlead cancel`` and ``fairlead rm``: on runs that run, that lost their driver, and that have ended."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from fairlead.errors import GaveUp
from fairlead.runs.cancelling import cancel
from finished import Command, Finished
from projects import Project

FLOW = """
    import time
    from fairlead import flow, step

    @step(cache=False)
    def nap(seconds: float) -> float:
        print("sleeping", flush=True)
        time.sleep(seconds)
        return seconds

    @flow
    def sleepy(seconds: float = 60.0):
        return nap(seconds)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, {"flow.py": FLOW})


def test_a_running_run_is_cancelled_and_not_removed_before(project: Project, command: Command) -> None:
    with project.started("run", "flow.py") as driver:
        run = project.wait_for_log()
        refused = command("rm", run, home=project.home)
        assert (refused.code, f"fairlead cancel {run}" in refused.err) == (3, True)
        assert command("rm", "--before", "1ms", "--yes", home=project.home).err.startswith(
            f"{run} is running, and stays"
        )
        assert command("cancel", "latest", home=project.home) == (0, f"run {run} cancelled\n", "")
        assert driver.wait(30) == 130
    assert project.document("get", run)["status"] == "cancelled"
    kinds = [each["kind"] for each in project.document("events", run)]
    assert kinds == ["run", "started", "cancel", "ended", "run"]
    assert command("cancel", run, home=project.home).out == f"run {run} had ended already: cancelled\n"


def test_a_run_whose_driver_is_dead_is_cancelled_and_removed(project: Project, command: Command) -> None:
    with project.started("run", "flow.py") as driver:
        run = project.wait_for_log()
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait(30)
    assert project.document("get", run)["status"] == "lost"
    assert [each["run"] for each in project.document("ps")] == [run]
    assert command("cancel", run, home=project.home).code == 0
    assert project.document("get", run)["status"] == "cancelled"
    assert command("rm", run, home=project.home).out == f"removed {run} of sleepy\n"
    assert not (project.home / "runs" / run).exists()
    assert project.document("ps", "-a") == []
    assert command("get", run, home=project.home).code == 4
    assert any((project.home / "objects").iterdir())


def test_a_driver_that_does_not_answer_is_given_up(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with project.started("run", "flow.py") as driver:
        run = project.wait_for_log()
        os.kill(driver.pid, signal.SIGSTOP)
        seconds = iter(range(100))
        with pytest.raises(GaveUp) as refused:
            cancel(project.store.backend, run, clock=lambda: next(seconds), sleep=lambda _: None)
        assert f"kill -9 {driver.pid}" in str(refused.value)
        assert refused.value.exit_code == 5
        os.kill(driver.pid, signal.SIGCONT)
        assert driver.wait(30) == 130


def test_ended_runs_are_removed_by_date_after_a_question(tmp_path: Path, command: Command) -> None:
    project = Project(tmp_path, {"flow.py": FLOW})
    runs = [project.run("--seconds", "0") for _ in range(2)]
    shown = command("rm", "--before", "1ms", home=project.home)
    assert (shown.code, "add --yes" in shown.err) == (2, True)
    time.sleep(1.1 - time.time() % 1)  # an id has whole seconds
    assert command("rm", "--before", "1ms", "--yes", home=project.home).out.count("removed") == 2
    assert not (project.home / "runs").exists()
    assert "no run was started before" in command("rm", "--before", "1ms", "--yes", home=project.home).err
    assert project.document("ps", "-a") == []
    assert command("cancel", runs[0], home=project.home).code == 4


def test_wrong_use_of_rm_removes_nothing(finished: Finished, command: Command) -> None:
    assert command("rm").code == 2
    assert command("rm", finished.first, "--before", "1h").code == 2
    assert command("rm", finished.first, "nothing").code == 4
    assert command("get", finished.first).code == 0
