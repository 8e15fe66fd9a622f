"""The volumes of a step: claims that are there, claims that are made for it, and what a CSI driver mounts by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from fairlead.errors import Fault
from fairlead.naming import name_fault
from fairlead.quantities import parse_bytes


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Csi(_Part, frozen=True, kw_only=True):
    """What a CSI driver mounts into a pod without a claim, where the driver allows that: often a bucket.

    Attributes:
        driver: The driver's name: ``gcsfuse.csi.storage.gke.io``.
        attributes: What it is told, in its own words: ``{"bucketName": "images"}``.
        secret: The name of the Secret of the namespace that it is given.

    Source: https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#csi-ephemeral-volumes
    """

    driver: str
    attributes: dict[str, str] = {}
    secret: str | None = None


class Volume(_Part, frozen=True, kw_only=True):
    """Storage mounted into a step: of an existing claim, of one that is made with `size`, or of a CSI driver.

    Attributes:
        name: What `fairlead.volume` finds it by; for a claim that lasts as the run does, what steps share it by.
        path: Where it is mounted.
        claim: The name of a PersistentVolumeClaim that is there.
        size: How large the claim is that is made.
        csi: What a CSI driver mounts, without a claim.
        storage_class: The storage class of the claim that is made; the cluster's default where it is None.
        access_mode: From where the claim that is made can be mounted at once: one node, one pod, or many nodes.
        lasts: Whether the claim that is made goes with the pod, and each pod has one of its own, or with the run, all
            of whose steps that name it share one.
        sub_path: The folder of the volume that is mounted; all of it where it is None.
        read_only: Whether the step can't write to it.
        annotations: Annotations of the pods that have it, which some drivers ask for.
    """

    name: str
    path: str
    claim: str | None = None
    size: str | None = None
    csi: Csi | None = None
    storage_class: str | None = None
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"] = "ReadWriteOnce"
    lasts: Literal["pod", "run"] = "pod"
    sub_path: str | None = None
    read_only: bool = False
    annotations: dict[str, str] = {}

    @property
    def is_of_run(self) -> bool:
        """Whether a claim is made for it that the run's steps share."""
        return self.size is not None and self.lasts == "run"

    @property
    def is_of_pod(self) -> bool:
        """Whether a claim is made for it in each pod."""
        return self.size is not None and self.lasts == "pod"


_OF_NEW_CLAIMS = {"storage_class": None, "access_mode": "ReadWriteOnce", "lasts": "pod"}


def volume_faults(volumes: tuple[Volume, ...]) -> Iterator[Fault]:
    """Yield what is wrong with the volumes of a step, with paths below it."""
    for position, volume in enumerate(volumes):
        path = f"volumes[{position}]"
        if unfit := name_fault(volume.name):
            yield Fault(f"{path}.name", unfit)
        if "/" in (volume.claim or ""):
            yield Fault(f"{path}.claim", f"{volume.claim!r} can't be the name of a claim")
        if not volume.path.startswith("/"):
            yield Fault(f"{path}.path", f"must be absolute, got {volume.path!r}")
        if sum(each is not None for each in (volume.claim, volume.size, volume.csi)) != 1:
            yield Fault(path, "needs one of claim (an existing one), size (a new one) and csi (what a driver mounts)")
        if volume.size is None:
            for field, default in _OF_NEW_CLAIMS.items():
                if getattr(volume, field) != default:
                    yield Fault(f"{path}.{field}", "is of a claim that is made: give its size")
        else:
            yield from _size_faults(volume, path)
        parts = None if volume.sub_path is None else volume.sub_path.split("/")
        if parts is not None and (not parts[0] or ".." in parts):
            yield Fault(f"{path}.sub_path", f"must be a folder of the volume, got {volume.sub_path!r}")
        if volume.csi is not None and not volume.csi.driver:
            yield Fault(f"{path}.csi.driver", "must be the name of a CSI driver")


def _size_faults(volume: Volume, path: str) -> Iterator[Fault]:
    try:
        parse_bytes(volume.size or "")
    except ValueError as error:
        yield Fault(f"{path}.size", str(error))
    if volume.read_only and volume.is_of_pod:
        yield Fault(f"{path}.read_only", "a new volume of one pod is empty: the step must be able to write to it")
