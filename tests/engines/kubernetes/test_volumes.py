"""Volumes of steps on a real cluster: a training of two ranks with a claim's data, objects of a bucket, and its own.

The storage is what `testbed.storage` runs: buckets of the testbed's object store, mounted by a CSI driver.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
OBJECTS = "volumes-of-tests"
"""The name of the volume and the claim of the bucket that is there before the run."""
FLOW = """
import os
from pathlib import Path

import fairlead
from fairlead import Volume, flow, runtimes, step

SMALL = {"cpu": "100m", "memory": "256Mi", "cache": False}
DATA = Volume(name="data", path="/data", size="1Gi", storage_class="objects", access_mode="ReadWriteMany", lasts="run")
MODELS = Volume(name="models", path="/models", size="1Gi", storage_class="objects", access_mode="ReadWriteMany", lasts="run")
SCRATCH = Volume(name="scratch", path="/scratch", size="1Gi", storage_class="objects")
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


@step(volumes=[Volume(name="data", path="/data", claim="nobody-made-it")], **SMALL)
def waits() -> None: ...


@flow
def waiting():
    waits()
"""


@pytest.fixture(scope="module")
def objects(cluster: Cluster) -> Iterator[Cluster]:
    """Run the driver, with a bucket that has two objects, and a claim of it as an administrator makes one."""
    if os.environ.get("FAIRLEAD_TEST_KUBECONFIG"):
        pytest.skip("the driver runs beside a testbed: unset FAIRLEAD_TEST_KUBECONFIG")
    reference = {"name": "object-store", "namespace": "csi-s3"}
    with storage.provided(state.current()):
        bucket = open_backend(f"s3://{cluster.bucket}/{OBJECTS}")
        for name, weight in (("a", b"0.5"), ("b", b"1.5")):
            bucket.put(f"numbers/{name}", weight)
        common = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": OBJECTS},
                "spec": {
                    **common,
                    "capacity": {"storage": "1Gi"},
                    "claimRef": {"namespace": cluster.namespace, "name": OBJECTS},
                    "csi": {
                        "driver": storage.DRIVER,
                        "volumeHandle": f"{cluster.bucket}/{OBJECTS}",
                        "volumeAttributes": {"mounter": "s3fs", "options": "-o umask=0000"},
                        "nodeStageSecretRef": reference,
                        "nodePublishSecretRef": reference,
                    },
                },
            },
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": OBJECTS},
                "spec": {**common, "volumeName": OBJECTS, "resources": {"requests": {"storage": "1Gi"}}},
            },
        )
        try:
            yield cluster
        finally:
            cluster.kubectl("delete", f"persistentvolumeclaim/{OBJECTS}", f"persistentvolume/{OBJECTS}")
            for each in list(list_all(bucket, "")):
                bucket.delete(each.key)


def test_two_ranks_read_a_claim_and_a_bucket_and_write_another_claim_which_go_with_the_run(
    store: Store, file: Path, objects: Cluster, capsys: Any
) -> None:
    assert call(["run", f"{file}:training", "-o", "json"]) == 0, capsys.readouterr().err
    run = json.loads(capsys.readouterr().out)["run"]
    assert flow_result(store, run) == {"checkpoint-0": 40.0, "checkpoint-1": 50.0, "read_only": 1.0}
    claims = {each["metadata"]["name"]: each for each in _claims(objects, run)}
    assert {name for name in claims if name.startswith(("data-", "models-"))} == {f"data-{run}", f"models-{run}"}
    wait_for(lambda: len(_claims(objects, run)) == 2, patience_s=PATIENCE_S)  # each pod's own has gone with it
    volumes = [each["spec"]["volumeName"] for each in _claims(objects, run)]
    assert call(["rm", run]) == 0
    wait_for(lambda: not _claims(objects, run), patience_s=PATIENCE_S)
    wait_for(lambda: not {*volumes} & {*_volumes(objects)}, patience_s=PATIENCE_S)
    buckets = {path.name for path in (state.current().folder / "minio").iterdir()}
    assert not {*volumes} & buckets


def test_a_claim_that_nobody_made_is_named_by_the_step_that_waits_for_it(
    registered: Context, file: Path, objects: Cluster, capsys: Any
) -> None:
    assert call(["run", f"{file}:waiting", "--detach", "-o", "json"]) == 0, capsys.readouterr().err
    run = json.loads(capsys.readouterr().out)["run"]

    def said() -> str:
        found = map(pod_status, objects.get("pods", f"--selector={naming.RUN}={run}")["items"])
        return next((each.reason for each in found if each.status == "waiting-volume"), "")

    assert 'persistentvolumeclaim "nobody-made-it" not found' in wait_for(said, patience_s=PATIENCE_S)
    assert call(["cancel", run]) == 0


def _claims(cluster: Cluster, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.get("persistentvolumeclaims", f"--selector={naming.RUN}={run}")["items"]
    return found


def _volumes(cluster: Cluster) -> list[str]:
    return [each["metadata"]["name"] for each in cluster.get("persistentvolumes")["items"]]
