"""Schedules on a real cluster: a start becomes one run, whatever becomes of its launching pod."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engines.local.driving import wait_for
from fairlead.cli.main import call
from fairlead.runs.settings import open_store
from fairlead.store.catalog import latest_by_run
from fairlead.targets import naming
from servers.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]

NAME = f"tests-schedule-{time.time_ns() % 10**6}"
FLOW = """
import time
from fairlead import flow, step

@step
def slept(seconds: float) -> float:
    time.sleep(seconds)
    return seconds

@flow
def sleeper(seconds: float = 1.0):
    return slept(seconds)
"""
PATIENCE_S = 240.0


@pytest.fixture
def file(tmp_path: Path, registered) -> str:
    (tmp_path / "project").mkdir()
    (tmp_path / "project/pyproject.toml").touch()
    (tmp_path / "project/sleeper_file.py").write_text(FLOW)
    return str(tmp_path / "project/sleeper_file.py")


@pytest.fixture
def fairlead(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        found = call(words)
        captured = capsys.readouterr()
        assert found == code, captured.err
        return captured.out

    return run


@pytest.fixture(autouse=True)
def left_as_it_was(cluster: Cluster) -> Iterator[None]:
    yield
    kinds = ("cronworkflows", "workflowtemplates", "workflows")
    cluster.kubectl("delete", ",".join(kinds), "-l", f"{naming.SCHEDULE}={NAME}", "--wait=false")


def runs(fairlead: Callable[..., str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(fairlead("ps", "-a", "--label", f"{naming.SCHEDULE}={NAME}", "-o", "json"))
    return found


def ended(fairlead: Callable[..., str]) -> list[dict[str, Any]]:
    found = runs(fairlead)
    return found if found and all(each["status"] in ("succeeded", "failed", "cancelled") for each in found) else []


def launches(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the workflows that launch, as they are."""
    found: list[dict[str, Any]] = cluster.get("workflows", "-l", f"{naming.SCHEDULE}={NAME},!{naming.RUN}")["items"]
    return found


def launching_pod(cluster: Cluster) -> str | None:
    """Return the name of the pod that launches, once its run is submitted."""
    if not cluster.get("workflows", "-l", f"{naming.SCHEDULE}={NAME},{naming.RUN}")["items"]:
        return None
    found = cluster.get(
        "pods", "-l", f"{naming.SCHEDULE}={NAME},!{naming.RUN}", "--field-selector=status.phase=Running"
    )["items"]
    return found[0]["metadata"]["name"] if found else None


def phase(cluster: Cluster) -> str:
    (launch,) = launches(cluster)
    return str(launch.get("status", {}).get("phase", ""))


def test_a_flow_is_scheduled_started_followed_and_removed(cluster: Cluster, file: str, fairlead) -> None:
    options = ("--cron", "0 3 1 1 *", "--timezone", "Europe/Berlin", "--name", NAME)
    assert fairlead("render", file, "--as", "CronWorkflow", *options, "--diff", code=1).count("+kind: ") == 2
    fairlead("schedule", "add", file, *options, "--label", "team=tests")
    assert fairlead("render", file, "--as", "CronWorkflow", *options, "--label", "team=tests", "--diff") == ""
    (listed,) = [each for each in json.loads(fairlead("schedule", "ls", "-o", "json")) if each["name"] == NAME]
    assert (listed["flow"], listed["cron"], listed["suspended"]) == ("sleeper", "0 3 1 1 *", False)

    said = fairlead("schedule", "run", NAME)
    (run,) = wait_for(lambda: ended(fairlead), patience_s=PATIENCE_S)
    assert run["run"] in said
    assert (run["status"], run["labels"]["team"]) == ("succeeded", "tests")
    wait_for(lambda: phase(cluster) == "Succeeded", patience_s=PATIENCE_S)
    fairlead("schedule", "rm", NAME)
    wait_for(lambda: not cluster.get("cronworkflows", "-l", f"{naming.SCHEDULE}={NAME}")["items"], patience_s=60)
    assert len(launches(cluster)) == 1


def test_argo_s_clock_starts_it(cluster: Cluster, file: str, fairlead) -> None:
    fairlead(
        "schedule", "add", file, "--cron", "@every 5s", "--concurrency", "forbid", "--name", NAME, "--seconds", "0"
    )
    wait_for(lambda: runs(fairlead), patience_s=PATIENCE_S)
    fairlead("schedule", "suspend", NAME)
    found = wait_for(lambda: ended(fairlead), patience_s=PATIENCE_S)
    assert {each["status"] for each in found} == {"succeeded"}
    (listed,) = [each for each in json.loads(fairlead("schedule", "ls", "-o", "json")) if each["name"] == NAME]
    assert listed["suspended"] and listed["last"] and not listed.get("fault")


def test_a_launching_pod_that_is_killed_is_still_one_run_that_ends(cluster: Cluster, file: str, fairlead) -> None:
    fairlead("publish", file, "--seconds", "20")
    printed = fairlead("render", file, "--as", "WorkflowTemplate", "--name", NAME, "--seconds", "20")
    cluster.apply(*yaml.safe_load_all(printed))
    fairlead("schedule", "run", NAME)
    pod = wait_for(lambda: launching_pod(cluster), patience_s=PATIENCE_S)
    cluster.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
    (run,) = wait_for(lambda: ended(fairlead), patience_s=PATIENCE_S)
    assert run["status"] == "succeeded"
    wait_for(lambda: phase(cluster) == "Succeeded", patience_s=PATIENCE_S)
    assert len(latest_by_run(open_store().backend)) == 1
    assert len(cluster.get("workflows", "-l", f"{naming.SCHEDULE}={NAME},{naming.RUN}")["items"]) == 1


def test_a_launch_that_is_terminated_cancels_its_run(cluster: Cluster, file: str, fairlead) -> None:
    fairlead("schedule", "add", file, "--cron", "@yearly", "--name", NAME, "--seconds", "300")
    fairlead("schedule", "run", NAME)
    wait_for(lambda: launching_pod(cluster), patience_s=PATIENCE_S)
    (launch,) = launches(cluster)
    patch = json.dumps({"spec": {"shutdown": "Terminate"}})
    cluster.kubectl("patch", "workflow", launch["metadata"]["name"], "--type=merge", f"--patch={patch}")
    (run,) = wait_for(lambda: ended(fairlead), patience_s=PATIENCE_S)
    assert run["status"] == "cancelled"
