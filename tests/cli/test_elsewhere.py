"""Runs that were begun elsewhere, seen from this machine: in which store they are, and who lets them go."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from fairlead.cli.main import call
from fairlead.errors import StoreError
from fairlead.naming import new_run_id, utc_now
from fairlead.runs import contexts
from fairlead.runs.reporting import read_report
from fairlead.runs.settings import open_store
from fairlead.specs.contexts import Context
from fairlead.store import claims
from fairlead.store.catalog import latest_by_run
from fairlead.store.records import Handover

FLOW = """
from fairlead import flow, step

@step
def fail(x: int) -> int:
    raise ValueError("always")

@flow
def failing(x: int = 1):
    return fail(x)
"""


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_REGION", "nowhere-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    variables = tmp_path / "env"
    variables.write_text("AWS_REGION=nowhere-2\n")
    context = Context(name="lab", store="s3://nowhere/x", store_env=str(variables))
    contexts.add(context)
    return context


@pytest.fixture
def failed(tmp_path: Path) -> str:
    """A run that has failed here."""
    file = tmp_path / "flow.py"
    file.write_text(FLOW)
    assert call(["run", str(file)]) == 1
    return next(iter(latest_by_run(open_store().backend)))


def test_the_store_of_a_context_is_opened_here_with_what_the_context_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRLEAD_STORE", "s3://nowhere/x/")
    with pytest.raises(StoreError, match="s3://nowhere/x"):  # nobody is there
        open_store()
    assert os.environ["AWS_REGION"] == "nowhere-2"


def test_a_run_that_is_not_known_here_may_be_in_the_store_of_a_context(capsys: pytest.CaptureFixture[str]) -> None:
    run = new_run_id(utc_now())
    assert call(["resume", run, "--on", "local"]) == 4
    assert f"FAIRLEAD_STORE=s3://nowhere/x fairlead resume {run} --on local" in capsys.readouterr().err


def test_a_run_under_way_on_a_cluster_is_refused_here_until_it_is_abandoned(
    failed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = open_store().backend
    claim = claims.take_claim(backend, failed, now=time.time())
    claims.hand_over(backend, failed, claim, Handover(context="lab", namespace="team-a", name="failing-1"))
    for words in (["resume", failed], ["resume", failed, "--with-current-code"]):
        assert call(words) == 3
        said = capsys.readouterr().err
        assert "context lab, namespace team-a, failing-1" in said
        assert f"fairlead cancel {failed} --on lab" in said and "--abandon" in said
    assert call(["rm", failed]) == 3
    assert call(["cancel", failed, "--abandon"]) == 0
    assert call(["resume", failed]) == 1
    assert [each.number for each in read_report(backend, failed).steps[0].attempts] == [1, 2]


def test_a_run_that_nothing_else_drives_is_not_abandoned(failed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["cancel", failed, "--abandon"]) == 0
    assert f"run {failed} had ended already: failed" in capsys.readouterr().out
