"""A client that is killed while it submits: a run has one workflow afterwards, none is lost, none is there twice.

Against a real API server and a real S3 server; there is no controller, so that what is created stays as it was.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from fairlead.cli.main import call
from fairlead.kube.client import Client
from fairlead.kube.failures import AlreadyExists
from fairlead.kube.resources import NAMESPACE, WORKFLOW
from fairlead.runs.reporting import read_report
from fairlead.runs.settings import open_store
from fairlead.store.catalog import latest_by_run
from fairlead.targets import naming
from kube.cluster import serving_workflows, write_kubeconfig

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(600)]

SCRIPT = Path(__file__).with_name("killed.py")
FLOW = """
from fairlead import flow, step

@step
def numbers(n: int) -> list[int]:
    return list(range(n))

@step
def square(x: int) -> int:
    return x * x

@flow
def squares(n: int = 3):
    square.map(numbers(n))
"""
_FAST, _ALL = 12, 200


@pytest.fixture(scope="module")
def site(api_server, s3_store_url, tmp_path_factory):
    """A context with a namespace on the API server, which knows workflows, and a project with a flow."""
    folder = tmp_path_factory.mktemp("site")
    client = Client(api_server.connection(namespace="runs"))
    with suppress(AlreadyExists):
        client.create(NAMESPACE, {"metadata": {"name": "runs"}})
    kubeconfig = folder / "kubeconfig"
    write_kubeconfig(api_server, kubeconfig)
    project = folder / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    (project / "flow.py").write_text(FLOW)
    with pytest.MonkeyPatch.context() as patched, serving_workflows(client):
        patched.setenv("FAIRLEAD_HOME", str(folder / "home"))
        patched.setenv("FAIRLEAD_CONTEXT", "site")
        options = ("--namespace", "runs", "--store", f"{s3_store_url}/kills", "--image", "i", "--worker-image", "w")
        assert call(["context", "add", "site", "--kubeconfig", str(kubeconfig), *options]) == 0
        yield client, project / "flow.py"


class Course(NamedTuple):
    """How a submission goes that nobody kills: requests that change something, and seconds."""

    points: int
    duration_s: float


@pytest.fixture(scope="module")
def course(site) -> Course:
    _, file = site
    for _ in range(2):  # the second finds what only the first has to store
        begun = time.monotonic()
        done = _killed_at(0, "before", file)
        assert done.returncode == 0, done.stderr
    found = re.search(r"points (\d+)", done.stderr)
    assert found
    return Course(int(found[1]), time.monotonic() - begun)


@pytest.mark.parametrize("seed", [pytest.param(n, marks=[] if n < _FAST else pytest.mark.slow) for n in range(_ALL)])
def test_a_killed_submission_leaves_one_workflow(site, course, seed):
    """Killed before or after each request that changes something, and at any moment."""
    client, file = site
    chance = random.Random(seed)
    store = open_store()
    known = set(latest_by_run(store.backend))
    if seed % 2:
        _killed_after(chance.uniform(0.3, 1.0) * course.duration_s, file)
    else:
        assert _killed_at(1 + seed // 2 % course.points, chance.choice(("before", "after")), file).returncode == -9
    new = set(latest_by_run(store.backend)) - known
    assert len(new) <= 1
    assert _workflows(client) - known <= new  # no workflow of a run that nobody knows
    for run in new:
        assert len(_names(client, run)) <= 1
        assert call(["resume", run, "--detach"]) == 0
        assert len(_names(client, run)) == 1
        assert read_report(store.backend, run).status == "pending"


def _killed_at(point: int, phase: str, file: Path) -> subprocess.CompletedProcess[str]:
    command, environment = _command(point, phase, file)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def _killed_after(seconds: float, file: Path) -> None:
    command, environment = _command(0, "before", file)
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()


def _command(point: int, phase: str, file: Path) -> tuple[list[str], dict[str, str]]:
    command = [sys.executable, str(SCRIPT), str(point), phase, "run", str(file), "--detach", "-o", "json"]
    return command, {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def _names(client: Client, run: str) -> list[str]:
    found = client.list(WORKFLOW, labels={naming.RUN: run}, metadata_only=True).items
    return [each["metadata"]["name"] for each in found]


def _workflows(client: Client) -> set[str]:
    return {each["metadata"]["labels"][naming.RUN] for each in client.list(WORKFLOW, metadata_only=True).items}
