"""A pod's volumes and where its containers have them: the worker, its workplace, and what a step asks for.

A claim that is made for each pod is part of the pod. One that the steps of a run share is an object of its own, which
goes with the run's workflow; its name is a function of the run alone, so that a resumed run finds what is in it.

Source: https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fairlead.quantities import parse_bytes
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.steps import Step
from fairlead.specs.volumes import Csi, Volume
from fairlead.targets import naming
from fairlead.targets.naming import dns_label
from fairlead.targets.orders import Manifest

DELIVERY = "fairlead"
"""The init container that delivers the worker, and the volume that it delivers it into, or that is its image."""
BROUGHT = "/opt/fairlead"
"""Where the worker lies in Fairlead's own image, and in images that bring it."""
DELIVERED = "/fairlead"
"""Where it lies in a step's container when it was copied there."""
MOUNTED = f"{DELIVERED}{BROUGHT}"
"""Where it lies there when its image is mounted. Not by a sub-path, which fewer runtimes have than image volumes."""
WORK = "/fairlead-work"
"""Where the worker keeps code, downloads and the log of its attempt."""
FACTS = f"{WORK}/facts"
"""Where it tells the workflow's executor what others wait for."""

_OWN = {DELIVERY: DELIVERED, "fairlead-work": WORK, "tmp": "/tmp"}
_SHARED_MEMORY = "shm"
DELIVERY_MOUNT = {"name": DELIVERY, "mountPath": DELIVERED, "readOnly": True}
"""Where a step's container has the volume with the worker."""
OWN_NAMES = (*_OWN, _SHARED_MEMORY)
"""The names that a step's volumes can't have."""
OWN_PATHS = (*_OWN.values(), "/dev/shm")
"""The paths at which a step's volumes can't be mounted."""


def volumes(submission: Submission, step: Step) -> list[dict[str, Any]]:
    """Return the volumes of a pod that runs a step."""
    found = [delivery(submission.context), *own_volumes()]
    if step.resources.shared_memory:
        size = str(parse_bytes(step.resources.shared_memory))
        found.append({"name": _SHARED_MEMORY, "emptyDir": {"medium": "Memory", "sizeLimit": size}})
    for volume in step.volumes:
        found.append({"name": dns_label(volume.name), **_source(submission, volume)})
    return found


def delivery(context: Context) -> dict[str, Any]:
    """Return the volume in which a step's container has the worker."""
    if context.delivery == "volume":
        return {"name": DELIVERY, "image": {"reference": context.worker_image}}
    return {"name": DELIVERY, "emptyDir": {}}


def mounts(step: Step) -> list[dict[str, Any]]:
    """Return where a step's container has its pod's volumes."""
    found: list[dict[str, Any]] = [
        DELIVERY_MOUNT,
        *own_mounts(),
    ]
    if step.resources.shared_memory:
        found.append({"name": _SHARED_MEMORY, "mountPath": "/dev/shm"})
    for volume in step.volumes:
        mount = {"name": dns_label(volume.name), "mountPath": volume.path}
        if volume.sub_path is not None:
            mount["subPath"] = volume.sub_path
        found.append({**mount, "readOnly": True} if volume.read_only else mount)
    return found


def volume_annotations(step: Step) -> dict[str, str]:
    """Return the annotations that the drivers of a step's volumes ask for."""
    return {name: text for volume in step.volumes for name, text in volume.annotations.items()}


def run_claims(submission: Submission, steps: Iterable[Step]) -> list[Manifest]:
    """Compile the claims that steps of a run share, each once.

    What their digest is of does not change with who submits the run, or how often.
    """
    found: dict[str, Manifest] = {}
    for volume in (each for step in steps for each in step.volumes if each.is_of_run):
        name = naming.volume_name(submission, volume.name)
        made = naming.marked(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "namespace": submission.namespace},
                "spec": _claim(volume),
            }
        )
        found[name] = {**made, "metadata": {**made["metadata"], "labels": _labels(submission)}}
    return list(found.values())


def _source(submission: Submission, volume: Volume) -> dict[str, Any]:
    read_only = {"readOnly": True} if volume.read_only else {}
    if volume.csi is not None:
        return {"csi": {**_csi(volume.csi), **read_only}}
    if volume.is_of_pod:
        template = {"metadata": {"labels": _labels(submission)}, "spec": _claim(volume)}
        return {"ephemeral": {"volumeClaimTemplate": template}}
    name = volume.claim or naming.volume_name(submission, volume.name)
    return {"persistentVolumeClaim": {"claimName": name, **read_only}}


def _csi(csi: Csi) -> dict[str, Any]:
    found: dict[str, Any] = {"driver": csi.driver}
    if csi.attributes:
        found["volumeAttributes"] = csi.attributes
    if csi.secret is not None:
        found["nodePublishSecretRef"] = {"name": csi.secret}
    return found


def _claim(volume: Volume) -> dict[str, Any]:
    named = {} if volume.storage_class is None else {"storageClassName": volume.storage_class}
    storage = str(parse_bytes(volume.size or ""))
    return {"accessModes": [volume.access_mode], **named, "resources": {"requests": {"storage": storage}}}


def _labels(submission: Submission) -> dict[str, str]:
    """Return a run's labels for what may outlast one submission of it."""
    return {name: text for name, text in naming.run_labels(submission).items() if name != naming.GENERATION}


def own_volumes() -> list[dict[str, Any]]:
    """Return the volumes of a pod of Fairlead's own image."""
    return [{"name": name, "emptyDir": {}} for name in ("fairlead-work", "tmp")]


def own_mounts() -> list[dict[str, Any]]:
    """Return where a container of Fairlead's own image has its pod's volumes."""
    return [{"name": name, "mountPath": _OWN[name]} for name in ("fairlead-work", "tmp")]
