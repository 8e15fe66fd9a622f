"""The end of a run: what its driver has in memory then is what is in the store, so nothing is read again."""

from __future__ import annotations

import shutil
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engines.local.driving import Bench
from fairlead.runs import launching
from fairlead.runs.reporting import read_report
from fairlead.specs.reports import RunReport
from fairlead.store.backends import Backend
from fairlead.store.history import compact, read_observations
from fairlead.store.records import Claim, Observation, encode
from fairlead.testing import flows


@pytest.fixture
def compared(monkeypatch) -> list[str]:
    """Compare what a run is compacted to with what lies in the store; return the runs."""
    runs: list[str] = []

    def comparing(
        backend: Backend, run: str, claim: Claim, observations: Iterable[Observation], *, keep: Container[str]
    ) -> None:
        given = list(observations)
        assert {encode(each) for each in given} == {encode(each) for each in read_observations(backend, run)}
        runs.append(run)
        compact(backend, run, claim, given, keep=keep)

    monkeypatch.setattr(launching, "compact", comparing)
    return runs


def same(bench: Bench, report: RunReport, compared: list[str]) -> bool:
    """Say whether a run's document is the one that is read from the store."""
    assert compared[-1] == report.run
    return plain(report) == plain(read_report(bench.store.backend, report.run))


def plain(report: RunReport) -> Any:
    return msgspec.to_builtins(report)


@pytest.mark.parametrize(
    ("flow", "parameters"),
    [
        ("dynamic_map", {"n": 3}),
        ("retried", {"good": 2}),
        ("branches", {"score": 0.95}),
        ("item_by_item", {"n": 4}),
        ("blocked", {}),
        ("swept", {}),
        ("metrics", {}),
    ],
)
def test_a_run_ends_as_it_is_read(bench: Bench, compared: list[str], flow: str, parameters: dict[str, Any]) -> None:
    file = Path(shutil.copyfile(flows.__file__, bench.folder / "project" / "contract_flows.py"))
    for _ in range(2):  # the second time with what is in the cache
        ended = bench.launch(file, flow, parameters, use_cache=True)
        assert same(bench, ended.report, compared)


def test_a_resumed_run_ends_as_it_is_read(bench: Bench, compared: list[str]) -> None:
    first = bench.run("gated")
    assert same(bench, first.report, compared)
    assert same(bench, bench.resume(first.report.run).report, compared)
    bench.go()
    changed = bench.file.read_text().replace('return {"number": number}', 'return {"number": number + 1}')
    bench.file.write_text(changed)
    resumed = bench.launch.resume(first.report.run, with_current_code=True)
    assert resumed.exit_code == 0
    assert same(bench, resumed.report, compared)


def test_a_run_whose_values_were_made_again_ends_as_it_is_read(bench: Bench, compared: list[str]) -> None:
    assert same(bench, bench.run("harmed", users=2).report, compared)
