"""The parts of a pod that every target shares: small functions from a part of a spec to a part of a manifest."""

from __future__ import annotations

from typing import Any

from fairlead.specs.contexts import Context, Submission
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import RankRuntime
from fairlead.specs.steps import DriverStep, Step, SweepStep
from fairlead.targets import naming

DELIVERED = "/fairlead"
"""Where the worker lies in a step's container, delivered by an init container."""
WORK = "/fairlead-work"
"""Where the worker keeps code, downloads and the log of its attempt."""
FACTS = f"{WORK}/facts"

_DEFAULT_REQUESTS = {"cpu": "250m", "memory": "256Mi"}
_DEFAULT_LIMITS = {"cpu": "1", "memory": "2Gi"}
"""Of steps that declare nothing: every container has requests and limits, as quotas demand."""
_SMALL = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}


def resources(declared: Resources) -> dict[str, Any]:
    """Return a container's requests and limits: what is declared is both."""
    requests, limits = dict(_DEFAULT_REQUESTS), dict(_DEFAULT_LIMITS)
    if declared.cpu:
        requests["cpu"] = limits["cpu"] = f"{declared.cpu_millis}m"
    if declared.memory_bytes:
        requests["memory"] = limits["memory"] = str(declared.memory_bytes)
    if declared.disk:
        requests["ephemeral-storage"] = limits["ephemeral-storage"] = str(declared.disk)
    accelerator = declared.accelerator
    if accelerator is not None:
        profile = accelerator.mig_profile
        name = f"nvidia.com/mig-{profile.name}" if profile else accelerator.model.resource
        requests[name] = limits[name] = str(accelerator.count)
    return {"requests": requests, "limits": limits}


def container_security() -> dict[str, Any]:
    """Return what the ``restricted`` profile asks of a container, and a root file system that is read only."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def pod_security(user: int | None) -> dict[str, Any]:
    """Return what the ``restricted`` profile asks of a pod."""
    base: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return base if user is None else {**base, "runAsUser": user, "runAsGroup": user, "fsGroup": user}


def environment(context: Context, step: Step | None) -> dict[str, Any]:
    """Return a container's environment: the store's by reference, and the secrets that a step names."""
    variables: list[dict[str, Any]] = [
        {"name": "HOME", "value": "/tmp"},
        {"name": "FAIRLEAD_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "FAIRLEAD_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
    ]
    for secret in step.environment.secrets if step else ():
        reference = {"name": secret.name, "key": secret.key}
        variables.append({"name": secret.variable, "valueFrom": {"secretKeyRef": reference}})
    found: dict[str, Any] = {"env": variables}
    if context.store_secret:
        found["envFrom"] = [{"secretRef": {"name": context.store_secret}}]
    return found


def volumes(step: Step | None) -> list[dict[str, Any]]:
    """Return a pod's volumes: where the worker is delivered, where it works, and what the step asks for."""
    found: list[dict[str, Any]] = [
        {"name": "fairlead", "emptyDir": {}},
        {"name": "fairlead-work", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if step is not None and step.resources.shared_memory:
        memory = {"medium": "Memory", "sizeLimit": str(step.resources.shared_memory)}
        found.append({"name": "shm", "emptyDir": memory})
    for volume in step.volumes if step else ():
        if volume.claim is not None:
            claim = {"claimName": volume.claim, "readOnly": volume.read_only}
            found.append({"name": volume.name, "persistentVolumeClaim": claim})
    return found


def mounts(step: Step | None) -> list[dict[str, Any]]:
    """Return where a step's container has its pod's volumes."""
    found: list[dict[str, Any]] = [
        {"name": "fairlead", "mountPath": DELIVERED, "readOnly": True},
        {"name": "fairlead-work", "mountPath": WORK},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    if step is not None and step.resources.shared_memory:
        found.append({"name": "shm", "mountPath": "/dev/shm"})
    for volume in step.volumes if step else ():
        found.append({"name": volume.name, "mountPath": volume.path, "readOnly": volume.read_only})
    return found


def delivery(context: Context) -> dict[str, Any]:
    """Return the init container that puts the worker where the step's container finds it."""
    return {
        "name": "fairlead",
        "image": context.worker_image,
        "command": ["cp", "-r", "/opt/fairlead/.", DELIVERED],
        "volumeMounts": [{"name": "fairlead", "mountPath": DELIVERED}],
        "resources": _SMALL,
        "securityContext": container_security(),
    }


def is_driving(step: Step) -> bool:
    """Say whether a step's pod creates others: a driver's, or one that waits for a gang."""
    return isinstance(step, DriverStep | SweepStep) or _is_gang(step)


def is_delivered(step: Step) -> bool:
    """Say whether a step's pod runs the user's code, and the worker must be brought to its image."""
    return not _is_gang(step)


def _is_gang(step: Step) -> bool:
    return isinstance(step.runtime, RankRuntime)


def step_labels(step: Step) -> dict[str, str]:
    """Return the labels of a step's pods beside the run's."""
    return {**step.labels, naming.STEP: naming.label_value(step.name)}


def identity(submission: Submission) -> list[str]:
    """Return the arguments that say which run a pod is of."""
    return [
        f"--store={submission.context.store}",
        f"--run={submission.run}",
        f"--revision={submission.revision}",
        f"--generation={submission.generation}",
        f"--since={submission.since:.6f}",
        f"--cancels-before={submission.cancels_before}",
        f"--work={WORK}",
    ]


def step_container(submission: Submission, step: Step, *where: str) -> dict[str, Any]:
    """Return the container of a step's pod: the user's image with the worker in it, or for a gang who waits for it.

    Args:
        submission: Where it runs.
        step: The step.
        *where: The arguments that say which instance it is.
    """
    context = submission.context
    arguments = [*identity(submission), *where, f"--facts={FACTS}"]
    module = "fairlead.engines.kubernetes.inside.main" if is_driving(step) else "fairlead.worker.pods.main"
    if _is_gang(step):
        return own_container(context, module, *arguments)
    return user_container(context, step, module, *arguments)


def user_container(context: Context, step: Step, module: str, *arguments: str) -> dict[str, Any]:
    """Return a container of the user's image that runs a module of the delivered worker with the image's Python."""
    return {
        "image": step.environment.image or context.image,
        "command": ["python3", f"{DELIVERED}/start.py", module, *arguments],
        "volumeMounts": mounts(step),
        "resources": resources(step.resources),
        "securityContext": container_security(),
        **environment(context, step),
    }


def own_container(context: Context, module: str, *arguments: str) -> dict[str, Any]:
    """Return a container of Fairlead's own image, which needs no delivery."""
    return {
        "image": context.worker_image,
        "command": ["python3", "/opt/fairlead/start.py", module, *arguments],
        "volumeMounts": [
            {"name": "fairlead-work", "mountPath": WORK},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
        "resources": _SMALL,
        "securityContext": container_security(),
        **environment(context, None),
    }
