"""``fairlead store``: rebuild, check and gc on a store that runs have filled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from projects import Project

FLOW = """
    from fairlead import flow, step

    @step
    def make(n: int) -> list[int]:
        return list(range(n))

    @flow
    def work(n: int = 3):
        return make(n)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, {"flow.py": FLOW})


def artifact(project: Project, run: str) -> Path:
    return project.home / "objects" / str(project.document("get", run)["steps"][0]["artifact"])


def test_rebuild_fills_the_index_from_the_store(project: Project) -> None:
    run = project.run()
    (project.home / "index.sqlite").unlink(missing_ok=True)
    found = project.document("store", "rebuild")
    assert found["runs"] == 1
    assert [each["run"] for each in project.document("ps", "-a")] == [run]
    assert "1 runs" in project.call("store", "rebuild").stdout


def test_rebuild_replaces_a_damaged_index(project: Project) -> None:
    project.run()
    (project.home / "index.sqlite").write_bytes(b"no database at all" * 100)
    assert project.call("store", "rebuild").returncode == 0


def test_check_finds_nothing_in_a_sound_store(project: Project) -> None:
    project.run()
    shown = project.call("store", "check")
    assert (shown.returncode, shown.stdout.splitlines()[-1]) == (0, "nothing is damaged")


def test_check_names_a_damaged_object_and_its_runs_and_repair_sets_it_aside(project: Project) -> None:
    run = project.run()
    path = artifact(project, run)
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)
    found = project.document("store", "check", code=1)
    (fault,) = found["faults"]
    assert (fault["kind"], fault["key"], fault["used_by"]) == (
        "damaged object",
        f"objects/{path.name}",
        [f"{run}/make/0"],
    )
    shown = project.call("store", "check", "--repair")
    assert shown.returncode == 1
    assert f"damaged object objects/{path.name}   set aside" in shown.stdout
    assert f"1 faults, in runs {run}" in shown.stdout
    again = project.document("run", "flow.py")
    assert not again["steps"][0]["cached"]
    assert project.call("store", "check").returncode == 0


def test_gc_says_what_it_would_remove_and_removes_with_yes_only(project: Project) -> None:
    kept, removed = project.run(), project.run("--n", "5")
    garbage = artifact(project, removed)
    shutil.rmtree(project.home / "runs" / removed)
    plan = project.document("store", "gc", "--grace", "0s")
    assert not plan["removed"]
    assert f"objects/{garbage.name}" in [each["key"] for each in plan["garbage"]]
    asked = project.call("store", "gc", "--grace", "0s")
    assert "would remove" in asked.stdout
    assert "fairlead store gc --yes" in asked.stdout
    assert garbage.exists()
    done = project.document("store", "gc", "--grace", "0s", "--yes")
    assert done["removed"]
    assert not garbage.exists()
    assert artifact(project, kept).exists()
    assert "would remove nothing" in project.call("store", "gc", "--grace", "0s").stdout


def test_gc_keeps_what_is_younger_than_its_grace_period(project: Project) -> None:
    removed = project.run()
    shutil.rmtree(project.home / "runs" / removed)
    assert project.document("store", "gc", "--yes")["garbage"] == []


def test_a_grace_period_that_is_no_duration_is_refused(project: Project) -> None:
    shown = project.call("store", "gc", "--grace", "soon")
    assert (shown.returncode, "--grace soon is no duration" in shown.stderr) == (2, True)
