"""A client whose clock is ten minutes off: budgets, claims, requests to cancel and reports are right all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engines.kubernetes.fates import PATIENCE_S, attempts, remove, runs
from engines.local.driving import SOURCE, Driver, wait_for
from fairlead.kube.client import Client
from fairlead.runs.home import home
from fairlead.runs.reporting import read_report
from fairlead.specs.reports import RunReport
from fairlead.store.opened import Store
from fairlead.testing.engines import Ended

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]

OFF_S = 600
SKEWED = """
import datetime
import time

_own = time.time
time.time = lambda: _own() + {off}


class Skewed(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)


datetime.datetime = Skewed
"""
FLOW = """
import time
from fairlead import Retries, flow, step

SMALL = {"cpu": "50m", "memory": "128Mi", "cache": False}

@step(**SMALL, retries=Retries(user=1, infrastructure=3, backoff="1s"))
def fails(x: int) -> int:
    raise ValueError("it always does")

@step(**SMALL)
def one() -> int:
    return 1

@flow
def failing():
    fails(one())

@step(**SMALL)
def add(x: int, y: int) -> int:
    return x + y

@flow(dynamic=True)
def calling() -> int:
    return add(add(1, 1), 1)

@step(**SMALL)
def wait() -> int:
    time.sleep(600)
    return 1

@flow
def waiting():
    wait()
"""


@pytest.fixture(params=[OFF_S, -OFF_S], ids=["ahead", "behind"])
def skewed(request: Any, registered: Any, tmp_path: Path) -> dict[str, str]:
    """Return the environment of commands whose clock is ahead or behind."""
    folder = tmp_path / "skewed"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SKEWED.format(off=request.param))
    environment = {"PYTHONPATH": f"{folder}:{SOURCE}"}
    said = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time() - time.clock_gettime(time.CLOCK_REALTIME))"],
        env=environment, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert round(float(said)) == request.param
    return environment


def ended(store: Store, skewed: dict[str, str], *arguments: str) -> Ended:
    """Run a command of a client whose clock is off, and return how its run ended."""
    driver = Driver(home(), *arguments, "-o", "json", store=store, env=skewed)
    try:
        return driver.ended(PATIENCE_S)
    finally:
        driver.end()


def test_a_clock_that_is_off_changes_nothing(client: Client, store: Store, file: Path, skewed: dict[str, str]) -> None:
    found = ended(store, skewed, "run", f"{file}:failing")
    run = found.report.run
    try:
        assert (found.exit_code, found.report.status) == (1, "failed")
        assert _ends(store, run, "fails") == [("failed", False)] * 2
        assert ended(store, skewed, "resume", run).report.status == "failed"
        assert _ends(store, run, "fails") == [("failed", False)] * 4  # another two, whatever the clock says
        assert _ends(store, run, "one") == [("succeeded", False)]
        assert read_report(store.backend, run) == _report(store, skewed, run)
    finally:
        remove(client, run)
    called = ended(store, skewed, "run", f"{file}:calling").report
    try:
        assert called.status == "succeeded"
        assert {each.name: len(each.attempts) for each in called.steps} == dict.fromkeys(
            (each.name for each in called.steps), 1
        )
    finally:
        remove(client, called.run)


def test_a_client_whose_clock_is_off_stops_a_run(client: Client, store: Store, file: Path, skewed: Any) -> None:
    followed = Driver(home(), "run", f"{file}:waiting", "-o", "json", store=store)
    try:
        run = followed.run
        wait_for(lambda: runs(store, run, "wait"), patience_s=PATIENCE_S)
        assert _code(store, skewed, "resume", run, "--detach") == 0  # it is under way: nothing is begun beside it
        assert not attempts(store, run, "wait") and read_report(store.backend, run).status == "running"
        assert _code(store, skewed, "cancel", run) == 0
        assert read_report(store.backend, run).status == "cancelled"
        assert followed.ended(PATIENCE_S).report.status == "cancelled"
    finally:
        followed.end()
        remove(client, followed.run)


def _code(store: Store, skewed: dict[str, str], *arguments: str) -> int:
    """Run a command of a client whose clock is off; returns its exit code."""
    command = Driver(home(), *arguments, store=store, env=skewed)
    try:
        return command.output(PATIENCE_S)[0]
    finally:
        command.end()


def _ends(store: Store, run: str, step: str) -> list[tuple[str, bool]]:
    return [(each.status, each.infrastructure) for each in attempts(store, run, step)]


def _report(store: Store, skewed: dict[str, str], run: str) -> RunReport:
    return ended(store, skewed, "get", run).report
