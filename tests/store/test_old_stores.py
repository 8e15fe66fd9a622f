"""Stores that earlier versions wrote stay readable: each is kept as files, with the flow that was run beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fairlead.runs.reporting import read_report
from fairlead.store.catalog import latest_by_run
from fairlead.store.index.opening import open_index
from fairlead.store.opened import Store

OLD = Path(__file__).with_name("old")
RUN = "20261123-153611-ns99n"


@pytest.fixture(params=sorted(each.name for each in OLD.glob("store-*") if each.is_dir()))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    shutil.copytree(OLD / request.param, tmp_path / "store")
    return Store(str(tmp_path / "store"), tmp_path / "host")


def test_an_old_run_reads_as_it_ended(store: Store) -> None:
    assert list(latest_by_run(store.backend)) == [RUN]
    report = read_report(store.backend, RUN)
    assert (report.flow, report.status, report.params, report.labels) == (
        "tiny",
        "succeeded",
        {"rows": 3},
        {"team": "a"},
    )
    named = [(each.name, each.index, each.status) for each in report.steps]
    assert named == [
        (*step, "succeeded") for step in (("load", 0), *(("square", item) for item in range(3)), ("total", 0))
    ]
    assert report.metrics == {"total": 5.0}
    assert store.values.load(report.steps[-1].artifacts[0]) == {"total": 5}
    assert store.backend.get(f"runs/{RUN}/logs/total.0.1").endswith(b"the sum is 5\n")


def test_an_index_is_rebuilt_from_an_old_store(store: Store, tmp_path: Path) -> None:
    with open_index(None, tmp_path) as index:
        index.rebuild(store, lambda run: read_report(store.backend, run))
        assert [each.run for each in index.runs(all=True)] == [RUN]
        assert [each.name for each in index.steps(run=RUN)] == ["load", "square", "square", "square", "total"]
        assert index.metric_table("total")[0].max == 5.0
