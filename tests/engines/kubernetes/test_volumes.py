"""Volumes of steps on a real cluster: a training of two ranks that reads claims and writes others, and what goes then.

The storage is folders of the node, as an administrator makes volumes beforehand, and buckets of the testbed's object
store, which the CSI driver of `testbed.storage` mounts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from engines.local.driving import wait_for
from fairlead.cli.main import call
from fairlead.runs.results import flow_result
from fairlead.specs.contexts import Context
from fairlead.store.backends import Backend, list_all
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
from fairlead import Csi, Volume, flow, runtimes, step

SMALL = {"cpu": "100m", "memory": "256Mi", "cache": False}
DATA = Volume(name="data", path="/data", size="1Gi", storage_class="volumes-of-tests", access_mode="ReadWriteMany", lasts="run")
MODELS = Volume(name="models", path="/models", size="1Gi", storage_class="volumes-of-tests", access_mode="ReadWriteMany", lasts="run")
SCRATCH = Volume(name="scratch", path="/scratch", size="1Gi", storage_class="volumes-of-tests")
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


@step(
    volumes=[
        Volume(
            name="bucket",
            path="/bucket",
            csi=Csi(
                driver="bucket.testbed.fairlead.dev", attributes={"bucket": "fairlead:/volumes-of-tests"}, secret="bucket"
            ),
            sub_path="numbers",
            read_only=True,
        ),
        Volume(name="out", path="/out", claim="volumes-of-tests"),
    ],
    runtime=runtimes.torch(nodes=2),
    **SMALL,
)
def learn() -> dict[str, float]:
    rank = int(os.environ["RANK"])
    weights = {path.name: float(path.read_text()) for path in sorted(fairlead.volume("bucket").iterdir())}
    (fairlead.volume("out") / f"checkpoint-{rank}").write_text(str(sum(weights.values()) + rank))
    try:
        (fairlead.volume("bucket") / "new").touch()
    except OSError as refused:
        return {**weights, "refused": refused.errno}
    return weights


@flow
def learning():
    return learn()


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


@pytest.fixture(scope="module")
def own(cluster: Cluster) -> Cluster:
    if os.environ.get("FAIRLEAD_TEST_KUBECONFIG"):
        pytest.skip("the storage is a testbed's: unset FAIRLEAD_TEST_KUBECONFIG")
    return cluster


@pytest.fixture
def folders(own: Cluster) -> Iterator[Cluster]:
    """Have folders of the node for volumes, as an administrator makes them beforehand."""
    with TemporaryDirectory(prefix="fairlead-volumes-", dir=state.current().folder) as root:
        made = {NAME: Path(root, NAME), **{f"{NAME}-{each}": Path(root, str(each)) for each in range(8)}}
        for folder in made.values():
            folder.mkdir()
            folder.chmod(0o777)  # whoever a pod runs as
        (made[NAME] / "numbers").mkdir()
        for name, weight in WEIGHTS.items():
            (made[NAME] / "numbers" / name).write_bytes(weight)
        sources = {
            name: {"hostPath": {"path": str(folder)}, "storageClassName": "" if name == NAME else CLASS}
            for name, folder in made.items()
        }
        with _made(own, sources):
            yield own


@pytest.fixture
def bucket(own: Cluster, store: Store) -> Iterator[Backend]:
    """Run the CSI driver, with a folder of a bucket that has two objects and a claim; the store's keys are set."""
    found = open_backend(f"s3://{own.bucket}/{NAME}")
    objects = {**{f"numbers/{name}": weight for name, weight in WEIGHTS.items()}, "out/first": b""}
    for key, content in objects.items():
        found.put(key, content)
    secret = {"name": storage.SECRET, "namespace": own.namespace}
    attributes = {"bucket": f"{own.bucket}:/{NAME}/out"}
    source = {
        "driver": storage.DRIVER, "volumeHandle": NAME, "volumeAttributes": attributes, "nodePublishSecretRef": secret
    }  # fmt: skip
    with storage.provided(state.current()), _made(own, {NAME: {"csi": source, "storageClassName": ""}}):
        yield found
    for each in list(list_all(found, "")):
        found.delete(each.key)


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


def test_two_ranks_read_claims_and_write_another_and_what_was_made_goes_with_the_run(
    store: Store, file: Path, folders: Cluster, capsys: Any
) -> None:
    assert call(["run", f"{file}:training", "-o", "json"]) == 0, capsys.readouterr().err
    run = json.loads(capsys.readouterr().out)["run"]
    assert flow_result(store, run) == {"checkpoint-0": 40.0, "checkpoint-1": 50.0, "read_only": 1.0}
    wait_for(lambda: len(_claims(folders, run)) == 2, patience_s=PATIENCE_S)  # each pod's own has gone with it
    claims = {each["metadata"]["name"]: each["spec"]["volumeName"] for each in _claims(folders, run)}
    assert claims.keys() == {f"data-{run}", f"models-{run}"}
    assert call(["rm", run]) == 0
    wait_for(lambda: not _claims(folders, run), patience_s=PATIENCE_S)


def test_two_ranks_read_objects_of_a_bucket_and_write_into_it_by_a_csi_driver(
    store: Store, file: Path, own: Cluster, bucket: Backend, capsys: Any
) -> None:
    assert call(["run", f"{file}:learning", "-o", "json"]) == 0, capsys.readouterr().err
    run = json.loads(capsys.readouterr().out)["run"]
    assert flow_result(store, run) == {"a": 0.5, "b": 1.5, "refused": 30}
    assert [bucket.get(f"out/checkpoint-{rank}") for rank in (0, 1)] == [b"2.0", b"3.0"]
    assert call(["rm", run]) == 0
    wait_for(lambda: not own.get("pods", f"--selector={naming.RUN}={run}")["items"], patience_s=PATIENCE_S)


def test_a_resumed_run_finds_what_it_has_written(store: Store, file: Path, folders: Cluster, capsys: Any) -> None:
    assert call(["run", f"{file}:broken", "-o", "json"]) == 1, capsys.readouterr().err
    run = json.loads(capsys.readouterr().out)["run"]
    assert call(["resume", run, "-o", "json"]) == 0, capsys.readouterr().err
    assert flow_result(store, run) == 2
    (claim,) = _claims(folders, run)
    assert len(claim["metadata"]["ownerReferences"]) == 2  # the workflow of each submission
    assert call(["rm", run]) == 0
    wait_for(lambda: not _claims(folders, run), patience_s=PATIENCE_S)


def test_a_claim_that_nobody_made_is_named_by_the_step_that_waits_for_it(
    registered: Context, file: Path, folders: Cluster, capsys: Any
) -> None:
    assert call(["run", f"{file}:waiting", "--detach", "-o", "json"]) == 0, capsys.readouterr().err
    run = json.loads(capsys.readouterr().out)["run"]

    def said() -> str:
        found = map(pod_status, folders.get("pods", f"--selector={naming.RUN}={run}")["items"])
        return next((each.reason for each in found if each.status == "waiting-volume"), "")

    assert 'persistentvolumeclaim "nobody-made-it" not found' in wait_for(said, patience_s=PATIENCE_S)
    assert call(["cancel", run]) == 0
    folders.kubectl("delete", "workflows", f"--selector={naming.RUN}={run}")


def _claims(cluster: Cluster, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.get("persistentvolumeclaims", f"--selector={naming.RUN}={run}")["items"]
    return found
