"""Volumes of steps on a real cluster: a training of two ranks that reads claims and writes others, and what goes then.

The storage is of two kinds: folders of the node, which are there beforehand, and what `testbed.storage` runs: buckets of
the testbed's object store, which a CSI driver mounts, and makes for claims.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

from engines.local.driving import wait_for
from fairlead.cli.main import call
from fairlead.runs.results import flow_result
from fairlead.specs.contexts import Context
from fairlead.store.backends import list_all
from fairlead.store.opened import Store
from fairlead.store.opening import open_backend
from fairlead.targets import naming
from fairlead.targets.podstatus import pod_status
from servers.cluster import Cluster
from testbed import state, storage

pytestmark = [pytest.mark.components, pytest.mark.timeout(900)]

PATIENCE_S = 300.0
NAME = CLASS = "volumes-of-tests"
"""The name of the volume and the claim that are there before a run, and the class of folders for those that are made."""
WEIGHTS = {"a": b"0.5", "b": b"1.5"}
FLOW = """
import os
from pathlib import Path

import fairlead
from fairlead import Volume, flow, runtimes, step

SMALL = {"cpu": "100m", "memory": "256Mi", "cache": False}
DATA = Volume(name="data", path="/data", size="1Gi", storage_class="@CLASS@", access_mode="ReadWriteMany", lasts="run")
MODELS = Volume(name="models", path="/models", size="1Gi", storage_class="@CLASS@", access_mode="ReadWriteMany", lasts="run")
SCRATCH = Volume(name="scratch", path="/scratch", size="1Gi", storage_class="@CLASS@")
OBJECTS = Volume(name="objects", path="/objects", claim="volumes-of-tests", sub_path="numbers", read_only=True)


@step(volumes=[DATA, SCRATCH], shared_memory="16Mi", **SMALL)
def prepare() -> int:
    rows = [str(number) for number in range(10)]
    (fairlead.volume("scratch") / "rows").write_text("\\n".join(rows))
    (Path("/dev/shm") / "rows").write_text("\\n".join(rows))
    (fairlead.volume("data") / "rows").write_text((fairlead.volume("scratch") / "rows").read_text())
    return len(rows)


@step(volumes=[DATA, MODELS, SCRATCH, OBJECTS], runtime=runtimes.torch(nodes=2), **SMALL)
def fit(count: int) -> dict[str, float]:
    rank = int(os.environ["RANK"])
    assert not list(fairlead.volume("scratch").iterdir())  # of this pod alone
    (fairlead.volume("scratch") / "mine").write_text(str(rank))
    rows = [int(line) for line in (fairlead.volume("data") / "rows").read_text().split()]
    weights = [float(path.read_text()) for path in sorted(fairlead.volume("objects").iterdir())]
    assert len(rows) == count
    share = sum(rows[rank::2]) * sum(weights)
    checkpoint = fairlead.volume("models") / f"checkpoint-{rank}"
    checkpoint.write_text(str(share))
    print(f"rank {rank} has written {checkpoint}: {share}", flush=True)
    try:
        (fairlead.volume("objects") / "new").touch()
    except OSError as refused:
        return {"share": share, "read_only": float(refused.errno == 30)}
    return {"share": share, "read_only": 0.0}


@step(volumes=[MODELS], **SMALL)
def collect(found: dict[str, float]) -> dict[str, float]:
    shares = {path.name: float(path.read_text()) for path in sorted(fairlead.volume("models").iterdir())}
    return {**shares, "read_only": found["read_only"]}


@flow
def training():
    return collect(fit(prepare()))


@step(volumes=[DATA], **SMALL)
def breaks() -> int:
    said = fairlead.volume("data") / "said"
    tries = 1 + (len(said.read_text()) if said.exists() else 0)
    said.write_text("x" * tries)
    if tries == 1:
        raise ValueError("at first")
    return tries


@flow
def broken():
    return breaks()


@step(volumes=[Volume(name="data", path="/data", claim="nobody-made-it")], **SMALL)
def waits() -> None: ...


@flow
def waiting():
    waits()
"""


class Place(NamedTuple):
    """A cluster with storage for the tests.

    Attributes:
        storage_class: The class of claims that are made.
        goes: Whether the volumes of claims go with them.
    """

    cluster: Cluster
    storage_class: str
    goes: bool


@pytest.fixture(scope="module", params=["folders", "objects"])
def place(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Place]:
    if os.environ.get("FAIRLEAD_TEST_KUBECONFIG"):
        pytest.skip("the storage is a testbed's: unset FAIRLEAD_TEST_KUBECONFIG")
    with _folders(cluster) if request.param == "folders" else _objects(cluster) as found:
        yield found


@contextmanager
def _folders(cluster: Cluster) -> Iterator[Place]:
    """Have folders of the node for volumes, as an administrator makes them beforehand."""
    with TemporaryDirectory(prefix="fairlead-volumes-", dir=state.current().folder) as root:
        folders = {NAME: Path(root, NAME), **{f"{NAME}-{each}": Path(root, str(each)) for each in range(8)}}
        for folder in folders.values():
            folder.mkdir()
            folder.chmod(0o777)  # whoever a pod runs as
        (folders[NAME] / "numbers").mkdir()
        for name, weight in WEIGHTS.items():
            (folders[NAME] / "numbers" / name).write_bytes(weight)
        volumes = {
            name: {"hostPath": {"path": str(folder)}, "storageClassName": "" if name == NAME else CLASS}
            for name, folder in folders.items()
        }
        with _made(cluster, volumes):
            yield Place(cluster, CLASS, goes=False)


@contextmanager
def _objects(cluster: Cluster) -> Iterator[Place]:
    """Run a CSI driver, with a folder of a bucket that has two objects, as a volume that an administrator makes."""
    secret = {"name": "object-store", "namespace": "csi-s3"}
    with storage.provided(state.current()), pytest.MonkeyPatch.context() as patched:
        for name, value in cluster.store_environment.items():
            patched.setenv(name, value)
        bucket = open_backend(f"s3://{cluster.bucket}/{NAME}")
        for name, weight in WEIGHTS.items():
            bucket.put(f"numbers/{name}", weight)
        source = {
            "driver": storage.DRIVER,
            "volumeHandle": f"{cluster.bucket}/{NAME}",
            "volumeAttributes": {"mounter": "s3fs", "options": "-o umask=0000"},
            "nodeStageSecretRef": secret,
            "nodePublishSecretRef": secret,
        }
        with _made(cluster, {NAME: {"csi": source, "storageClassName": ""}}):
            yield Place(cluster, storage.CLASS, goes=True)
        for each in list(list_all(bucket, "")):
            bucket.delete(each.key)


@contextmanager
def _made(cluster: Cluster, volumes: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Make volumes, and the claim of the one that is there before a run."""
    common: dict[str, Any] = {"accessModes": ["ReadWriteMany", "ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    claim = {"namespace": cluster.namespace, "name": NAME}
    objects = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {**common, **source, **({"claimRef": claim} if name == NAME else {})},
        }
        for name, source in volumes.items()
    ]
    wanted = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    spec = {**wanted, "storageClassName": "", "volumeName": NAME}
    objects += [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": NAME}, "spec": spec}]
    try:
        cluster.apply(*objects)
        yield
    finally:
        cluster.kubectl("delete", "--ignore-not-found", f"persistentvolumeclaim/{NAME}")
        cluster.kubectl("delete", "--ignore-not-found", "persistentvolume", *volumes)


@pytest.fixture
def flows(file: Path, place: Place) -> Path:
    """Return the file of the flows, whose claims are of the class that is there."""
    file.write_text(FLOW.replace("@CLASS@", place.storage_class))
    return file


def test_two_ranks_read_claims_and_write_another_and_what_was_made_goes_with_the_run(
    store: Store, flows: Path, place: Place, capsys: Any
) -> None:
    assert call(["run", f"{flows}:training", "-o", "json"]) == 0, capsys.readouterr().err
    run = json.loads(capsys.readouterr().out)["run"]
    assert flow_result(store, run) == {"checkpoint-0": 40.0, "checkpoint-1": 50.0, "read_only": 1.0}
    wait_for(lambda: len(_claims(place, run)) == 2, patience_s=PATIENCE_S)  # each pod's own has gone with it
    claims = {each["metadata"]["name"]: each["spec"]["volumeName"] for each in _claims(place, run)}
    assert claims.keys() == {f"data-{run}", f"models-{run}"}
    assert call(["rm", run]) == 0
    wait_for(lambda: not _claims(place, run), patience_s=PATIENCE_S)
    if place.goes:
        wait_for(lambda: not {*claims.values()} & {*_volumes(place)}, patience_s=PATIENCE_S)
        assert not {*claims.values()} & {path.name for path in (state.current().folder / "minio").iterdir()}


def test_a_resumed_run_finds_what_it_has_written(store: Store, flows: Path, place: Place, capsys: Any) -> None:
    assert call(["run", f"{flows}:broken", "-o", "json"]) == 1, capsys.readouterr().err
    run = json.loads(capsys.readouterr().out)["run"]
    assert call(["resume", run, "-o", "json"]) == 0, capsys.readouterr().err
    assert flow_result(store, run) == 2
    (claim,) = _claims(place, run)
    assert len(claim["metadata"]["ownerReferences"]) == 2  # the workflow of each submission
    assert call(["rm", run]) == 0
    wait_for(lambda: not _claims(place, run), patience_s=PATIENCE_S)


def test_a_claim_that_nobody_made_is_named_by_the_step_that_waits_for_it(
    registered: Context, flows: Path, place: Place, capsys: Any
) -> None:
    assert call(["run", f"{flows}:waiting", "--detach", "-o", "json"]) == 0, capsys.readouterr().err
    run = json.loads(capsys.readouterr().out)["run"]

    def said() -> str:
        found = map(pod_status, place.cluster.get("pods", f"--selector={naming.RUN}={run}")["items"])
        return next((each.reason for each in found if each.status == "waiting-volume"), "")

    assert 'persistentvolumeclaim "nobody-made-it" not found' in wait_for(said, patience_s=PATIENCE_S)
    assert call(["cancel", run]) == 0


def _claims(place: Place, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.cluster.get("persistentvolumeclaims", f"--selector={naming.RUN}={run}")["items"]
    return found


def _volumes(place: Place) -> list[str]:
    return [each["metadata"]["name"] for each in place.cluster.get("persistentvolumes")["items"]]
