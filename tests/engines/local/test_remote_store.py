"""Whole runs on a real S3 server."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.packaging.project import find_project
from fairlead.runs.launching import launch, load_flow, rerun
from fairlead.runs.options import Options, Silent
from fairlead.runs.reporting import read_report
from fairlead.runs.settings import open_store

FLOW = """
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
