"""Whole runs on a real S3 server."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from fairlead.errors import UsageError
from fairlead.packaging.project import find_project
from fairlead.runs.launching import launch, load_flow, rerun
from fairlead.runs.options import Options, Silent
from fairlead.runs.reporting import read_report
from fairlead.runs.settings import open_store
from fairlead.store import collecting
from fairlead.store.backends import list_all
from fairlead.store.checking import check
from fairlead.store.collecting import Plan, collect, plan_collection
from fairlead.store.layout import run_prefix

FLOW = """
import os
import time
from pathlib import Path

import fairlead
from fairlead import flow, runtimes, step


@step
def load(rows: int) -> list[int]:
    print("loading", rows)
    return list(range(rows))


@step
def square(x: int) -> int:
    fairlead.log(x=x)
    return x * x


@step(runtime=runtimes.torch(processes_per_node=2))
def total(xs: list[int]) -> int:
    print("a rank")
    return sum(xs)


@flow
def squares(rows: int = 4) -> int:
    return total(square.map(load(rows)))


@step(cache=False)
def wait(xs: list[int]) -> list[int]:
    Path(os.environ["BEGUN"]).touch()
    while not Path(os.environ["GO"]).exists():
        time.sleep(0.02)
    return xs


@flow
def held(rows: int = 4):
    return total(square.map(wait(load(rows))))


@flow(dynamic=True)
def loop(limit: int = 3) -> int:
    x = 1
    while x < limit:
        x = square(x + 1)
    return x
"""


@pytest.fixture
def flow_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3_store_url: str) -> Path:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIRLEAD_STORE", f"{s3_store_url}/{tmp_path.name}")
    file = tmp_path / "remote_flow.py"
    file.write_text(FLOW)
    return file


def test_a_run_keeps_everything_in_the_bucket(flow_file: Path) -> None:
    project, flow = load_flow(str(flow_file), "squares")
    assert project == find_project(flow_file)
    run = launch(project, flow, {}, Options(), Silent())
    assert (run.status, run.result()) == ("succeeded", 14)
    store = open_store()
    report = read_report(store.backend, run.id)
    assert {each.name: each.status for each in report.steps} == dict.fromkeys(("load", "square", "total"), "succeeded")
    logs = {
        entry.key.rpartition("/")[2]: store.backend.get(entry.key)
        for entry in store.backend.list_after(f"runs/{run.id}/logs/")
    }
    assert logs == {"load.0.1": b"loading 4\n", "total.0.1.r0": b"a rank\n", "total.0.1.r1": b"a rank\n"}
    assert not any(path.is_file() for path in (store.host / "spool").rglob("*"))

    again = rerun(run.id, Options(), Silent())
    assert all(each.cached for each in again.report.steps)


def test_a_dynamic_flow_runs_on_it_too(flow_file: Path) -> None:
    project, flow = load_flow(str(flow_file), "loop")
    run = launch(project, flow, {}, Options(), Silent())
    assert (run.status, run.result()) == ("succeeded", 4)


def test_garbage_goes_beside_a_run_that_goes_on(flow_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "PAUSE_S", 0.5)
    begun, go = flow_file.with_name("begun"), flow_file.with_name("go")
    monkeypatch.setenv("BEGUN", str(begun))
    monkeypatch.setenv("GO", str(go))
    project, squares = load_flow(str(flow_file), "squares")
    kept = launch(project, squares, {"rows": 5}, Options(), Silent())
    forgotten = launch(project, squares, {"rows": 9}, Options(), Silent())
    store = open_store()
    for entry in list(list_all(store.backend, run_prefix(forgotten.id))):
        store.backend.delete(entry.key)
    gone: list[Plan] = []

    def collect_garbage() -> None:
        while not begun.exists():
            if over.wait(0.02):
                return
        gone.append(collect(store, plan_collection(store, 3600.0, now=time.time() + 3600.0)))
        go.touch()

    over = threading.Event()
    collector = threading.Thread(target=collect_garbage)
    collector.start()
    try:
        _, held = load_flow(str(flow_file), "held")
        run = launch(project, held, {"rows": 5}, Options(), Silent())
    finally:
        over.set()
        collector.join()
    assert (run.status, run.result()) == ("succeeded", 30)
    assert run.step("load").cached and not run.step("wait").cached
    (plan,) = gone
    own = {each.artifact for each in forgotten.report.steps} - {each.artifact for each in kept.report.steps}
    assert own <= {each.key.rpartition("/")[2] for each in plan.of_kind("object")}
    assert not any(store.values.exists(each.artifacts[0]) for each in forgotten.report.steps if each.artifact in own)
    assert kept.result() == 30
    assert not check(store).faults


def test_a_remote_store_is_collected_with_a_long_grace_period_only(flow_file: Path) -> None:
    with pytest.raises(UsageError, match="a grace period must be at least 3600 seconds"):
        plan_collection(open_store(), 60.0)
