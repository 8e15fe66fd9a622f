"""``fairlead image build`` with the real BuildKit, without root: an image is built, pushed, pulled, and runs a step."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engines.kubernetes import beside
from engines.local.driving import wait_for
from fairlead.cli.main import call
from fairlead.runs import contexts
from fairlead.runs.launching import launch, load_flow
from fairlead.runs.options import Options, Silent
from fairlead.specs.contexts import Context
from servers.cluster import Cluster
from testbed import builder, network, registry
from testbed.state import current
from wheels import locked, make_wheel, served

pytestmark = [pytest.mark.components("buildkit"), pytest.mark.timeout(1800)]

BUILDS = "fairlead-test-builds"
PATIENCE_S = 900.0
PUSH, PIP = "push", "fairlead-test-pip"
FLOW = """
import os

from fairlead import Overlay, flow, step

PULL = Overlay(kind="Pod", patch={"imagePullSecrets": [{"name": "push"}]})

@step(image="@IMAGE@", cpu="100m", memory="256Mi", cache=False, overlays=[PULL])
def word() -> list[str]:
    import tiny
    return [tiny.WORD, str(os.getuid()), str("PIP_INDEX_URL" in os.environ)]

@flow
def words():
    return word()
"""
running = beside.running(registry.served)


def secret(name: str, kind: str, data: dict[str, str]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {"name": name}, "stringData": data}


@pytest.fixture
def namespace(running: Cluster) -> Iterator[Cluster]:
    """A namespace that admits BuildKit, with what it pushes with; steps pull with the same."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    running.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": BUILDS, "labels": labels}})
    login = {".dockerconfigjson": registry.credentials()}
    for each in (BUILDS, running.namespace):
        running.apply(secret(PUSH, "kubernetes.io/dockerconfigjson", login), namespace=each)
    yield running
    running.kubectl("delete", "namespace", BUILDS, "--wait=false")
    running.kubectl("delete", "secret", PUSH)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """An index that pods reach, and a lock of what it has."""
    wheel = make_wheel(tmp_path / "index/tiny", "tiny", "1", {"tiny/__init__.py": b"WORD = 'tiny'\n"})
    with served(tmp_path / "index", network.LOCAL) as url:
        yield url, locked(wheel)


def ends(cluster: Cluster, job: str) -> set[str]:
    """Return the conditions that a job has, by which it has ended."""
    conditions = cluster.get("job", job, f"--namespace={BUILDS}")["status"].get("conditions", [])
    return {each["type"] for each in conditions if each["type"] in ("Complete", "Failed") and each["status"] == "True"}


def test_an_image_of_a_lock_is_built_without_root_and_pushed_and_a_step_runs_in_it(
    registered: Context, namespace: Cluster, index: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, url = current(), index[0]
    index_settings = {"PIP_INDEX_URL": url, "PIP_TRUSTED_HOST": network.LOCAL}
    namespace.apply(secret(PIP, "Opaque", index_settings), namespace=BUILDS)
    worker = registry.push(state, registered.worker_image, "worker:1")
    base = registry.push(state, namespace.image, "python:1")
    contexts.add(msgspec.structs.replace(registered, worker_image=worker, image=base, pip_secret=PIP))
    lock = tmp_path / "requirements.txt"
    lock.write_text(index[1])
    image = f"{registry.HOST}/team/work:{uuid.uuid4().hex[:6]}"
    options = ["--push", image, "--push-secret", PUSH, "--namespace", BUILDS, "--builder", builder.image()]

    assert call(["image", "build", str(lock), *options, "--on", registered.name]) == 0

    printed = capsys.readouterr().out
    job = re.fullmatch(rf"building {re.escape(image)}: kubectl -n {BUILDS} logs -f job/(\S+)\n", printed)
    assert job, printed
    ended = wait_for(lambda: ends(namespace, job[1]), patience_s=PATIENCE_S)
    log = namespace.kubectl("logs", f"job/{job[1]}", f"--namespace={BUILDS}")
    assert "Complete" in ended, log

    contexts.add(registered)  # the image that was built has a name of its own, and its pods the usual worker
    file = tmp_path / "words.py"
    file.write_text(FLOW.replace("@IMAGE@", image))
    done = launch(*load_flow(str(file), "words"), {}, Options(on=registered.name), Silent())
    assert (done.status, done.result()) == ("succeeded", ["tiny", str(registered.user), "False"])
    namespace.kubectl("delete", "workflow", f"--selector=fairlead.dev/run={done.id}", "--wait=false")
