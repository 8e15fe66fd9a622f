"""A launching pod that is killed, or asked to end: there is one run, and it goes on or is cancelled as it should.

Against a real API server; nothing runs there, so that a run's workflow has ended when the test says so.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from engines.local.driving import wait_for
from fairlead.engines.kubernetes.inside.launching import launched_by
from fairlead.kube.client import Client
from fairlead.kube.resources import WORKFLOW
from fairlead.naming import RunId
from fairlead.runs.launching import load_flow
from fairlead.runs.publishing import publish
from fairlead.runs.reporting import read_report
from fairlead.specs.contexts import Context, Launch
from fairlead.specs.status import SPENT
from fairlead.store import claims
from fairlead.store.catalog import latest_by_run
from fairlead.store.history import cancel_requests, read_spec
from fairlead.store.opened import Store
from fairlead.targets import naming
from kube.cluster import new_namespace, serving_workflows, write_kubeconfig
from servers.apiserver import ApiServer

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(600)]

SCRIPT = Path(__file__).with_name("launched.py")
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
_FAST, _ALL = 6, 60
COMPLETED = "workflows.argoproj.io/completed"


class Site(NamedTuple):
    """A cluster with nothing in it that would run, a store with a published flow, and what launches that."""

    client: Client
    store: Store
    launch: Launch
    folder: Path

    def trigger(self) -> RunId:
        """Create a workflow as Argo's clock would; returns its run's id."""
        name = f"launch-{len(self.client.list(WORKFLOW).items)}"
        manifest = {
            "apiVersion": WORKFLOW.api_version,
            "kind": WORKFLOW.kind,
            "metadata": {"name": name},
            "spec": {},
        }
        found = self.client.create(WORKFLOW, manifest)
        return launched_by(found)[0]

    def start(self, workflow: str, point: int = 0, phase: str = "before") -> subprocess.Popen[bytes]:
        """Start a launching pod of a workflow."""
        told = naming.as_json(self.launch).decode()
        command = [sys.executable, str(SCRIPT), str(point), phase, workflow, told, self.store.url]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "KUBECONFIG": str(self.folder / "config")}
        with self.log.open("wb") as log:
            return subprocess.Popen([*command, str(self.folder / "work")], env=environment, stdout=log, stderr=log)

    @property
    def log(self) -> Path:
        """What the pod that was started last has printed."""
        return self.folder / "log"

    def of_run(self, run: str) -> list[dict[str, Any]]:
        """Return the workflows of a run."""
        return self.client.list(WORKFLOW, labels={naming.RUN: run}).items


@pytest.fixture(scope="module")
def site(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    write_kubeconfig(api_server, folder / "config")
    (folder / "project").mkdir()
    (folder / "project/pyproject.toml").touch()
    (folder / "project/launched_squares.py").write_text(FLOW)
    store = Store(str(folder / "store"), folder / "host")
    with pytest.MonkeyPatch.context() as patched, new_namespace(api_server) as client, serving_workflows(client):
        patched.setenv("FAIRLEAD_HOME", str(folder / "home"))
        project, flow = load_flow(str(folder / "project/launched_squares.py"), None)
        publication = publish(project, flow.trace({}), store).publication
        context = Context(
            name="site",
            namespace=client.connection.namespace,
            store="s3://b/p",
            image="python",
            worker_image="fairlead",
        )
        launch = Launch(
            name="nightly", flow=publication.flow, digest=publication.digest, context=context, labels={"team": "ml"}
        )
        yield Site(client, store, launch, folder)


@contextmanager
def ending_runs(site: Site) -> Iterator[None]:
    """Say of every run's workflow that it has ended, as soon as it is there."""
    done = threading.Event()

    def end() -> None:
        while not done.wait(0.2):
            for each in site.client.list(WORKFLOW, labels=f"{naming.RUN},!{COMPLETED}", metadata_only=True).items:
                labels = {"metadata": {"labels": {COMPLETED: "true"}}}
                site.client.patch(WORKFLOW, each["metadata"]["name"], labels)

    thread = threading.Thread(target=end)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def newest(site: Site) -> str:
    """Return the name of the workflow that was triggered last."""
    names = (each["metadata"]["name"] for each in site.client.list(WORKFLOW, labels=f"!{naming.RUN}").items)
    return max(names, key=lambda name: int(name.rpartition("-")[2]))


@pytest.fixture(scope="module")
def points(site: Site) -> int:
    """How many requests of a launch change something, up to its end."""
    site.trigger()
    with ending_runs(site):
        site.start(newest(site)).wait(120)
    said = site.log.read_text()
    found = re.search(r"points (\d+)", said)
    assert found, said
    return int(found[1])


@pytest.mark.parametrize("seed", [pytest.param(n, marks=[] if n < _FAST else pytest.mark.slow) for n in range(_ALL)])
def test_a_launch_whose_pods_are_killed_is_one_run_that_ends(site: Site, points: int, seed: int) -> None:
    """Killed before or after any request that changes something, and by then in every second case once more."""
    run = site.trigger()
    workflow, phase = newest(site), ("before", "after")[seed % 2]
    known = set(latest_by_run(site.store.backend))
    with ending_runs(site):
        for point in (1 + seed * points // _FAST % points, 1 + seed % 3)[: 1 + seed % 2]:
            assert site.start(workflow, point, phase).wait(120) in (-signal.SIGKILL, SPENT)
        code = site.start(workflow).wait(120)
    said = site.log.read_text()
    assert code == SPENT, said
    assert f"run {run} failed" in said  # none of its pods has left a record
    assert set(latest_by_run(site.store.backend)) - known == {run}
    assert len(site.of_run(run)) == 1
    assert read_report(site.store.backend, run).status == "failed"


def test_the_run_is_as_a_client_would_have_made_it(site: Site) -> None:
    run = site.trigger()
    with ending_runs(site):
        site.start(newest(site)).wait(120)
    spec = read_spec(site.store.backend, run)
    assert spec.labels == {"team": "ml", "fairlead.dev/schedule": "nightly"}
    assert (spec.context, spec.graph.flow, spec.host) == ("site", "squares", newest(site))
    (workflow,) = site.of_run(run)
    labels = workflow["metadata"]["labels"]
    assert (labels["team"], labels[naming.SCHEDULE], labels[naming.FLOW]) == ("ml", "nightly", "squares")
    assert workflow["metadata"]["name"] == f"squares-{run}-1"


def test_a_pod_that_is_evicted_leaves_the_run_to_the_next_one(site: Site) -> None:
    run = site.trigger()
    first = followed(site, run)
    first.terminate()
    assert first.wait(60) == 1
    assert cancel_requests(site.store.backend, run) == 0
    assert "shutdown" not in site.of_run(run)[0]["spec"]
    with ending_runs(site):
        assert site.start(newest(site)).wait(120) == SPENT
    assert len(site.of_run(run)) == 1


@pytest.mark.parametrize("how", ["terminated", "removed"])
def test_a_launch_that_is_stopped_or_removed_cancels_its_run(site: Site, how: str) -> None:
    run = site.trigger()
    pod, workflow = followed(site, run), newest(site)
    if how == "terminated":
        site.client.patch(WORKFLOW, workflow, {"spec": {"shutdown": "Terminate"}})
    else:
        site.client.delete(WORKFLOW, workflow)
    pod.terminate()
    assert pod.wait(60) == SPENT
    assert cancel_requests(site.store.backend, run) == 1
    assert site.of_run(run)[0]["spec"]["shutdown"] == "Stop"
    if how == "terminated":  # and another pod of it launches nothing
        assert site.start(workflow).wait(60) == SPENT


def test_a_flow_that_is_not_published_is_no_reason_to_try_again(site: Site) -> None:
    run = site.trigger()
    unknown = site._replace(launch=msgspec.structs.replace(site.launch, digest="0" * 64))
    unknown.start(newest(site)).wait(60)
    said = site.log.read_text()
    assert "NotFoundError" in said and "is not published as 000000000000" in said
    assert not site.of_run(run)
    assert claims.newest_claim(site.store.backend, run) is None


def test_a_launch_that_is_stopped_while_it_has_no_pod_cancels_its_run_with_the_next(site: Site) -> None:
    run = site.trigger()
    first = followed(site, run)
    first.kill()
    first.wait(60)
    site.client.patch(WORKFLOW, newest(site), {"spec": {"shutdown": "Stop"}})
    assert site.start(newest(site)).wait(60) == SPENT
    assert cancel_requests(site.store.backend, run) == 1
    assert site.of_run(run)[0]["spec"]["shutdown"] == "Stop"


def test_a_run_that_is_not_its_own_is_refused(site: Site) -> None:
    run = site.trigger()
    with ending_runs(site):
        site.start(newest(site)).wait(120)
    other = site._replace(launch=msgspec.structs.replace(site.launch, labels={"team": "another"}))
    other.start(newest(site)).wait(60)
    assert f"run {run} is not the one that workflow {newest(site)} launches" in site.log.read_text()


def followed(site: Site, run: str) -> subprocess.Popen[bytes]:
    """Start a pod, and return it when it follows the run."""
    pod = site.start(newest(site))

    def is_followed() -> bool:
        claim = claims.newest_claim(site.store.backend, run)
        return claim is not None and claims.handed_over(site.store.backend, run, claim) is not None

    wait_for(is_followed)
    return pod
