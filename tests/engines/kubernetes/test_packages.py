"""Packages of steps on a real cluster: pip installs them in a pod, from an index of this machine, once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlead.runs import contexts
from fairlead.runs.handles import Run
from fairlead.runs.launching import launch, load_flow, resume
from fairlead.runs.options import Options, Silent
from fairlead.runs.settings import open_store
from fairlead.specs.contexts import Context
from fairlead.store.backends import list_all
from fairlead.store.history import read_progress, read_spec
from fairlead.store.layers import Layer
from fairlead.store.layout import LAYERS, object_key
from fairlead.store.records import decode
from servers.cluster import Cluster
from testbed import network
from wheels import locked, make_wheel, served

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]

FLOW = """
from fairlead import flow, log, runtimes, step, sweep
from fairlead.space import uniform

@step(lock="requirements.txt", cache=False)
def first() -> str:
    import tiny
    return tiny.WORD

@step(lock="requirements.txt", cache=False)
def second(word: str) -> str:
    import tiny
    return word + tiny.WORD

@step(lock="requirements.txt", runtime=runtimes.torch(nodes=1, processes_per_node=2), cache=False)
def ranks(word: str) -> str:
    import tiny
    return word + tiny.WORD

@flow
def shared():
    return ranks(second(first()))

@step(packages=["tiny==1"], cache=False)
def trial(rate: float) -> str:
    import tiny
    log(score=rate)
    return tiny.WORD

@step(packages=["other==1"], cache=False)
def called(number: int) -> str:
    import other
    return other.WORD + str(number)

@flow(dynamic=True)
def calling():
    return "".join(called(number) for number in range(2)) + "".join(called.map([2, 3]))

@flow
def searching():
    return sweep(trial, over={"rate": uniform(0, 1)}, trials=2, maximize="score", seed=0)().value

@step(packages=["large==1"], retries=2, cache=False)
def loaded() -> int:
    return 1

@flow
def too_large():
    return loaded()
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A package index on an address that pods reach: a folder of wheels for each name."""
    folder = tmp_path_factory.mktemp("index")
    make_wheel(folder / "tiny", "tiny", "1", {"tiny/__init__.py": b"WORD = 'tiny'\n"})
    make_wheel(folder / "other", "other", "1", {"other/__init__.py": b"WORD = 'other'\n"})
    with served(folder, network.LOCAL) as url:
        yield folder, url


@pytest.fixture
def project(tmp_path: Path, index: tuple[Path, str]) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    (folder / "requirements.txt").write_text(locked(next((index[0] / "tiny").iterdir())))
    (folder / "packaged.py").write_text(FLOW)
    return folder / "packaged.py"


@pytest.fixture
def place(registered: Context, cluster: Cluster, index: tuple[Path, str]) -> Iterator[Context]:
    """A context whose image has Python and nothing else, and whose namespace says where packages come from."""
    secret = f"fairlead-test-pip-{uuid.uuid4().hex[:6]}"
    data = {"PIP_INDEX_URL": index[1], "PIP_TRUSTED_HOST": network.LOCAL}
    cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "stringData": data})
    context = msgspec.structs.replace(registered, image=cluster.image, pip_secret=secret)
    contexts.add(context)
    yield context
    cluster.kubectl("delete", "secret", secret)


def run(project: Path, flow: str, context: Context) -> Run:
    loaded, found = load_flow(str(project), flow)
    return launch(loaded, found, {}, Options(on=context.name), Silent())


def installers(cluster: Cluster, done: Run) -> list[str]:
    """Return the pods of a run that install packages."""
    pods = cluster.get("pods", f"--selector=fairlead.dev/run={done.id}")["items"]
    return [
        each["metadata"]["name"] for each in pods if each["metadata"]["labels"].get("fairlead.dev/step", "").startswith("layer")
    ]  # fmt: skip


def removed(cluster: Cluster, done: Run) -> None:
    cluster.kubectl("delete", "workflow", f"--selector=fairlead.dev/run={done.id}", "--wait=false")


def error_of(done: Run) -> str:
    store = open_store()
    progress: Any = read_progress(store.backend, read_spec(store.backend, done.id))
    attempts = progress.instances_of(0)[0].attempts
    return str(attempts[max(attempts)].error.message)


def test_steps_share_a_layer_that_the_next_run_finds_and_a_damaged_one_is_made_anew(
    project: Path, place: Context, cluster: Cluster
) -> None:
    done = run(project, "shared", place)
    assert (done.status, done.result()) == ("succeeded", "tiny" * 3)
    assert len(installers(cluster, done)) == 1
    again = run(project, "shared", place)
    assert (again.status, installers(cluster, again)) == ("succeeded", [])
    backend = open_store().backend
    (entry,) = list_all(backend, LAYERS)
    key = object_key(decode(backend.get(entry.key), Layer, key=entry.key).archive.digest)
    data = bytearray(backend.get(key))
    data[600] ^= 1
    backend.put(key, bytes(data))
    damaged = run(project, "shared", place)
    assert damaged.status == "failed"
    assert "the packages of the step are damaged or gone" in error_of(damaged)
    mended = resume(damaged.id, Options(on=place.name), Silent())
    assert (mended.status, len(installers(cluster, mended))) == ("succeeded", 1)
    backend.delete(key)  # as a collection may
    anew = run(project, "shared", place)
    assert (anew.status, len(installers(cluster, anew))) == ("succeeded", 1)
    for each in (done, again, damaged, anew):
        removed(cluster, each)


def test_trials_and_calls_of_a_dynamic_flow_have_their_packages(
    project: Path, registered: Context, place: Context, cluster: Cluster
) -> None:
    contexts.add(msgspec.structs.replace(place, image=registered.image))  # the sweep itself needs Optuna
    done = run(project, "searching", place)
    assert (done.status, done.result(), len(installers(cluster, done))) == ("succeeded", "tiny", 1)
    contexts.add(place)
    called = run(project, "calling", place)
    assert (called.status, called.result()) == ("succeeded", "other0other1other2other3")
    assert len(installers(cluster, called)) == 1
    removed(cluster, done)
    removed(cluster, called)


def test_packages_that_are_too_large_are_the_error_of_the_step_with_the_biggest_named(
    project: Path, place: Context, cluster: Cluster, index: tuple[Path, str]
) -> None:
    make_wheel(index[0] / "large", "large", "1", {"large/__init__.py": b"", "large/large.bin": bytes(1100 << 20)})
    done = run(project, "too_large", place)
    assert done.status == "failed"
    error = error_of(done)
    assert "the packages are too large for a layer" in error
    assert "at most 1024 are fetched by each pod: large 1100 MiB" in error
    assert "fairlead image build" in error
    assert len(installers(cluster, done)) == 1
    removed(cluster, done)
