"""Volumes of every kind: claims that are there, claims of a pod and of the run, and what a CSI driver mounts."""

from __future__ import annotations

from fairlead import Csi, Volume, flow, runtimes, step

SHARED = Volume(
    name="shared", path="/shared", size="100Gi", storage_class="files", access_mode="ReadWriteMany", lasts="run"
)


@step(
    shared_memory="1Gi",
    disk="20Gi",
    volumes=[
        Volume(name="images", path="/images", claim="datasets", sub_path="images", read_only=True),
        Volume(name="scratch", path="/scratch", size="50Gi"),
        SHARED,
    ],
)
def prepare() -> int:
    return 1


@step(
    runtime=runtimes.torch(nodes=2),
    volumes=[
        SHARED,
        Volume(name="scratch", path="/scratch", size="200Gi", storage_class="fast"),
        Volume(
            name="bucket",
            path="/bucket",
            csi=Csi(
                driver="gcsfuse.csi.storage.gke.io",
                attributes={"bucketName": "images", "mountOptions": "implicit-dirs"},
                secret="bucket",
            ),
            read_only=True,
            annotations={"gke-gcsfuse/volumes": "true"},
        ),
    ],
    checkpoint="/shared/checkpoints",
)
def fit(rows: int) -> int:
    return rows


@flow
def volumes():
    return fit(prepare())
