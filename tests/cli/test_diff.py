"""``fairlead diff``: what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects import Project

FLOW = """
    import fairlead
    from fairlead import flow, step

    @step
    def fit(lr: float) -> float:
        fairlead.log(accuracy=lr * 2)
        return lr

    @flow
    def work(lr: float = 0.25):
        return fit(lr)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, {"flow.py": FLOW})


def test_the_likeliest_explanation_comes_before_the_tables(project: Project) -> None:
    first, second = project.run(), project.run("--lr", "0.5")
    shown = project.call("diff", first, second)
    assert shown.returncode == 0
    lines = shown.stdout.splitlines()
    assert lines[0].startswith(f"before run {first}   flow work   succeeded")
    assert lines[1].startswith(f"after  run {second}   flow work   succeeded")
    assert lines[3:10] == [
        "likeliest explanation of the changed metrics first",
        "  1. parameter lr: 0.25 → 0.5, which goes into fit/0",
        "",
        "metrics",
        "  STEP   METRIC    BEFORE  AFTER  DIFFERENCE",
        "  fit/0  accuracy  0.5     1      +0.5",
        "",
    ]


def test_a_run_compared_with_its_repetition_has_nothing_to_explain(project: Project) -> None:
    first, second = project.run(), project.run()
    assert "nothing that is recorded differs" in project.call("diff", first, second).stdout
    found = project.document("diff", first, "latest")
    assert (found["causes"], found["metrics"], found["after"]["run"]) == ([], [], second)


def test_a_run_that_does_not_exist_is_named(project: Project) -> None:
    project.run()
    shown = project.call("diff", "nothing", "latest")
    assert (shown.returncode, "there is no run 'nothing'" in shown.stderr) == (4, True)


def test_many_items_of_a_step_are_counted_together(project: Project) -> None:
    project.edit("flow.py", "    return fit(lr)", "    return fit.map([lr * each for each in range(20)])")
    first, second = project.run(), project.run()
    assert "fit/0…19  20 succeeded" in project.call("diff", first, second).stdout
    assert "20 cached" in project.call("diff", first, second).stdout
