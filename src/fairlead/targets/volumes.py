"""A pod's volumes and where its containers have them: the worker, its workplace, and what a step asks for."""

from __future__ import annotations

from typing import Any

from fairlead.quantities import parse_bytes
from fairlead.specs.steps import Step
from fairlead.targets.naming import dns_label

DELIVERED = "/fairlead"
"""Where the worker lies in a step's container, delivered by an init container."""
BROUGHT = "/opt/fairlead"
"""Where it lies in Fairlead's own image, and in images that bring it."""
WORK = "/fairlead-work"
"""Where the worker keeps code, downloads and the log of its attempt."""
FACTS = f"{WORK}/facts"
"""Where it tells the workflow's executor what others wait for."""

_OWN = {"fairlead": DELIVERED, "fairlead-work": WORK, "tmp": "/tmp"}
_SHARED_MEMORY = "shm"
OWN_NAMES = (*_OWN, _SHARED_MEMORY)
"""The names that a step's volumes can't have."""
OWN_PATHS = (*_OWN.values(), "/dev/shm")
"""The paths at which a step's volumes can't be mounted."""


def volumes(step: Step) -> list[dict[str, Any]]:
    """Return the volumes of a pod that runs a step."""
    found: list[dict[str, Any]] = [{"name": name, "emptyDir": {}} for name in _OWN]
    if step.resources.shared_memory:
        size = str(parse_bytes(step.resources.shared_memory))
        found.append({"name": _SHARED_MEMORY, "emptyDir": {"medium": "Memory", "sizeLimit": size}})
    for volume in step.volumes:
        claim = {"claimName": volume.claim, **({"readOnly": True} if volume.read_only else {})}
        found.append({"name": dns_label(volume.name), "persistentVolumeClaim": claim})
    return found


def mounts(step: Step) -> list[dict[str, Any]]:
    """Return where a step's container has its pod's volumes."""
    found: list[dict[str, Any]] = [
        {"name": "fairlead", "mountPath": DELIVERED, "readOnly": True},
        {"name": "fairlead-work", "mountPath": WORK},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    if step.resources.shared_memory:
        found.append({"name": _SHARED_MEMORY, "mountPath": "/dev/shm"})
    for volume in step.volumes:
        mount = {"name": dns_label(volume.name), "mountPath": volume.path}
        found.append({**mount, "readOnly": True} if volume.read_only else mount)
    return found


def own_volumes() -> list[dict[str, Any]]:
    """Return the volumes of a pod of Fairlead's own image."""
    return [{"name": name, "emptyDir": {}} for name in ("fairlead-work", "tmp")]


def own_mounts() -> list[dict[str, Any]]:
    """Return where a container of Fairlead's own image has its pod's volumes."""
    return [{"name": name, "mountPath": _OWN[name]} for name in ("fairlead-work", "tmp")]
