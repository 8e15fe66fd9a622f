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

import msgspec
import pytest

from fairlead.cli.main import call
from fairlead.kube.client import Client
from fairlead.kube.failures import AlreadyExists
from fairlead.kube.resources import NAMESPACE, RESOURCE_CLAIM_TEMPLATE, SERVICE_ACCOUNT, WORKFLOW
from fairlead.runs import contexts
from fairlead.runs.reporting import read_report
from fairlead.runs.settings import open_store
from fairlead.store import claims
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
        client.create(SERVICE_ACCOUNT, {"metadata": {"name": "default"}})  # no controller does
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


# Devices that are claimed ---------------------------------------------------------------------

CLAIMING = FLOW.replace("@step\ndef square", '@step(gpus="H200:1")\ndef square')


@pytest.fixture
def claiming(site, tmp_path):
    """The context with hardware whose devices are claimed, and a flow that asks for some."""
    context = contexts.find("site")
    (tmp_path / "hardware.yaml").write_text("accelerators: {H200: {device_class: gpu.nvidia.com}}")
    contexts.add(msgspec.structs.replace(context, hardware=contexts.read_hardware(str(tmp_path / "hardware.yaml"))))
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "flow.py").write_text(CLAIMING)
    yield tmp_path / "flow.py"
    contexts.add(context)


def test_the_templates_of_claims_go_with_the_workflow_whenever_the_client_is_killed(site, claiming):
    client, _ = site
    point, found = 0, []
    while True:
        point += 1
        known = set(latest_by_run(open_store().backend))
        done = _killed_at(point, "after", claiming)
        for run in set(latest_by_run(open_store().backend)) - known:
            assert call(["resume", run, "--detach"]) == 0
            (workflow,) = client.list(WORKFLOW, labels={naming.RUN: run}, metadata_only=True).items
            (template,) = client.list(RESOURCE_CLAIM_TEMPLATE, labels={naming.RUN: run}).items
            (owner,) = template["metadata"]["ownerReferences"]
            assert (owner["kind"], owner["uid"]) == ("Workflow", workflow["metadata"]["uid"])
            found.append(run)
        made = re.search(r"points (\d+)", done.stderr)
        if made and int(made[1]) < point:  # one that is answered by a refusal kills nobody after it
            break
    assert len(found) > 3


def test_gangs_are_not_sent_where_their_scheduler_has_no_groups(site, tmp_path, capsys):
    context = contexts.find("site")
    (tmp_path / "pyproject.toml").touch()
    ranks = FLOW.replace("import flow", "import flow, runtimes").replace(
        "@step\ndef square", "@step(runtime=runtimes.torch(nodes=2))\ndef square"
    )
    (tmp_path / "flow.py").write_text(ranks)
    known = set(latest_by_run(open_store().backend))
    contexts.add(msgspec.structs.replace(context, gang_scheduler="volcano"))
    try:
        assert call(["run", str(tmp_path / "flow.py"), "--detach", "--target", "job"]) == 2
    finally:
        contexts.add(context)
    said = capsys.readouterr().err
    assert "steps.square.runtime: the context's gangs need Volcano: the cluster does not serve PodGroup" in said
    assert set(latest_by_run(open_store().backend)) == known


# What is left of a run in a cluster ------------------------------------------------------------


def _submitted(file: Path) -> str:
    known = set(latest_by_run(open_store().backend))
    assert call(["run", str(file), "--detach"]) == 0
    (run,) = set(latest_by_run(open_store().backend)) - known
    return run


def _given_back(run: str) -> None:
    backend = open_store().backend
    claim = claims.newest_claim(backend, run)
    assert claim is not None
    claims.release(backend, run, claim)


def test_a_run_that_is_under_way_is_not_removed(site, capsys):
    client, file = site
    run = _submitted(file)
    assert call(["rm", run]) == 3
    assert f"fairlead cancel {run}" in capsys.readouterr().err
    assert len(_names(client, run)) == 1


def test_a_run_is_removed_with_its_workflows(site, capsys):
    client, file = site
    run, other = _submitted(file), _submitted(file)
    _given_back(run)
    assert call(["rm", run]) == 0
    assert f"removed {run} of squares, and 1 workflow with it" in capsys.readouterr().out
    assert (_names(client, run), len(_names(client, other))) == ([], 1)
    assert call(["get", run]) == 4


def test_a_run_whose_workflows_are_gone_is_removed(site, capsys):
    client, file = site
    run = _submitted(file)
    _given_back(run)
    for name in _names(client, run):
        client.delete(WORKFLOW, name, namespace="runs")
    assert call(["rm", run]) == 0
    assert capsys.readouterr().out.endswith(f"removed {run} of squares\n")


def test_a_run_stays_where_its_cluster_does_not_answer(site, capsys, monkeypatch, tmp_path):
    client, file = site
    run = _submitted(file)
    _given_back(run)
    context = contexts.find("site")
    nowhere = tmp_path / "kubeconfig"
    nowhere.write_text(re.sub(r"https://[^\"]*", "https://127.0.0.1:1", Path(context.kubeconfig).read_text()))
    contexts.add(msgspec.structs.replace(context, kubeconfig=str(nowhere)))
    try:
        assert call(["rm", run]) == 3
        said = capsys.readouterr().err
        assert "namespace runs of site" in said and f"fairlead rm {run} --keep-objects" in said
        assert call(["get", run]) == 0
        assert not claims.holder_lives(open_store().backend, run, claims.newest_claim(open_store().backend, run))
        assert call(["rm", run, "--keep-objects"]) == 0
    finally:
        contexts.add(context)
    assert call(["get", run]) == 4
    assert len(_names(client, run)) == 1


def test_a_run_whose_cluster_is_gone_for_good_is_abandoned_and_goes_on_here(site, capsys, monkeypatch):
    _, file = site
    run = _submitted(file)
    monkeypatch.setenv("FAIRLEAD_STORE", contexts.find("site").store)
    assert call(["resume", run, "--on", "local"]) == 3
    said = capsys.readouterr().err
    assert "under way on a cluster" in said and "context site, namespace runs, squares-" in said
    assert f"fairlead cancel {run} --on site" in said
    assert call(["cancel", run, "--abandon"]) == 0
    assert call(["cancel", run, "--abandon"]) == 0
    assert capsys.readouterr().out == f"run {run} cancelled\nrun {run} had ended already: cancelled\n"
    assert call(["resume", run, "--on", "local"]) == 0
    assert read_report(open_store().backend, run).status == "succeeded"
