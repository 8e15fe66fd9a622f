"""Runs as PipelineRuns of the real Tekton: the digits, branches and lists, tries, failures and cancelling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engines.kubernetes import beside
from engines.local.driving import Driver, wait_for
from fairlead.cli.main import call
from fairlead.runs.home import home
from fairlead.runs.reporting import read_report
from fairlead.runs.results import flow_result
from fairlead.store.opened import Store
from fairlead.targets import naming
from servers.cluster import Cluster
from testbed import tekton

pytestmark = [pytest.mark.components("tekton"), pytest.mark.usefixtures("operator"), pytest.mark.timeout(1200)]

PATIENCE_S = 300.0
operator = beside.running(tekton.operated)
DIGITS = Path(__file__).parents[3] / "examples/digits/flow.py"
FLOW = """
import os
import time

from fairlead import Retries, first_of, flow, step

SMALL = {"cpu": "50m", "memory": "128Mi", "cache": False}


@step(**SMALL)
def days(count: int) -> list[int]:
    return list(range(count))


@step(**SMALL)
def square(x: int) -> int:
    return x * x


@step(**SMALL)
def total(xs: list[int]) -> dict[str, float]:
    return {"sum": float(sum(xs))}


@step(**SMALL)
def grow(x: int) -> int:
    return x + 1


@step(**SMALL)
def shrink(x: int) -> int:
    return x - 1


@step(retries=Retries(user=2), **SMALL)
def lucky() -> int:
    if os.environ["FAIRLEAD_ATTEMPT"] == "1":
        raise ValueError("no luck")
    return int(os.environ["FAIRLEAD_ATTEMPT"])


@step(**SMALL)
def broken() -> int:
    raise ValueError("never")


@step(**SMALL)
def endless() -> None:
    print("begun", flush=True)
    time.sleep(600)


@flow
def branching(count: int = 3):
    found = total(square.map(days(count)))
    grown = grow.options(when=found["sum"] > 4)(count)
    shrunk = shrink.options(when=found["sum"] <= 4)(count)
    return first_of(grown, shrunk), lucky()


@flow
def failing():
    later = grow(broken())
    return later, square.map([1, 2])


@flow
def lasting():
    endless()
"""


def launched(capsys: Any, *arguments: str, code: int = 0) -> str:
    """Run a flow by Tekton; returns the run's id."""
    assert call(["run", *arguments, "--target", "pipelinerun", "-o", "json"]) == code, capsys.readouterr().err
    return str(json.loads(capsys.readouterr().out)["run"])


def became(cluster: Cluster, run: str) -> tuple[str, str]:
    """Return the name of the object that a run became, and its reason."""
    (found,) = cluster.get("pipelineruns.tekton.dev", f"--selector={naming.RUN}={run}")["items"]
    return str(found["metadata"]["name"]), str(found["status"]["conditions"][0]["reason"])


def statuses(store: Store, run: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in read_report(store.backend, run).steps:
        found.setdefault(each.name, []).append(each.status)
    return found


def test_the_digits_run_as_they_are(store: Store, operator: Cluster, capsys: Any) -> None:
    run = launched(capsys, str(DIGITS), "--rows", "300", "--trials", "2", "--epochs", "2")
    assert all(each == "succeeded" for found in statuses(store, run).values() for each in found)
    assert became(operator, run)[1] in ("Succeeded", "Completed")
    assert call(["logs", run]) == 0
    assert call(["rm", run]) == 0
    assert not operator.get("pipelineruns.tekton.dev", f"--selector={naming.RUN}={run}")["items"]


def test_lists_branches_and_tries_are_as_everywhere(store: Store, operator: Cluster, file: Path, capsys: Any) -> None:
    run = launched(capsys, f"{file}:branching")
    found = statuses(store, run)
    assert found["square"] == ["succeeded"] * 3 and found["grow"] == ["succeeded"] and found["shrink"] == ["skipped"]
    lucky = next(each for each in read_report(store.backend, run).steps if each.name == "lucky")
    assert [each.status for each in lucky.attempts] == ["failed", "succeeded"]
    assert flow_result(store, run)[0] == 4
    pods = operator.get("pods", f"--selector={naming.RUN}={run},{naming.STEP}=shrink")["items"]
    assert not pods


def test_a_list_without_items_is_gathered(store: Store, operator: Cluster, file: Path, capsys: Any) -> None:
    run = launched(capsys, f"{file}:branching", "--count", "0")
    assert statuses(store, run)["total"] == ["succeeded"]
    assert statuses(store, run)["shrink"] == ["succeeded"]


def test_a_failed_step_fails_the_run_and_nothing_that_does_not_need_it(
    store: Store, operator: Cluster, file: Path, capsys: Any
) -> None:
    run = launched(capsys, f"{file}:failing", code=1)
    found = statuses(store, run)
    assert found["broken"] == ["failed"] and found["square"] == ["succeeded"] * 2
    assert found["grow"] == ["blocked"]
    assert became(operator, run)[1] == "Failed"


def test_a_cancelled_run_is_stopped_and_written_down(store: Store, operator: Cluster, file: Path) -> None:
    driver = Driver(home(), "run", f"{file}:lasting", "--target", "pipelinerun", "-o", "json", store=store)
    try:
        wait_for(lambda: statuses(store, driver.run).get("endless") == ["running"], patience_s=PATIENCE_S)
        assert call(["exec", f"{driver.run}/endless", "--", "true"]) == 0
        assert call(["cancel", driver.run]) == 0
        assert driver.ended(PATIENCE_S).report.status == "cancelled"
    finally:
        driver.end()
    assert became(operator, driver.run)[1] == "Cancelled"
