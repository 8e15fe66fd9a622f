"""What a pod says of the step that it runs: one word, with the cluster's own reason. Total over everything a pod says.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict

from fairlead.specs.status import StepStatus

_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_VOLUME = ("FailedMount", "FailedAttachVolume")


class _Metadata(TypedDict, total=False):
    name: str
    uid: str
    labels: dict[str, str]
    annotations: dict[str, str]


class _Spec(TypedDict, total=False):
    nodeName: str | None


class _Container(TypedDict, total=False):
    name: str
    state: dict[str, Any] | None


class _Status(TypedDict, total=False):
    phase: str | None
    reason: str | None
    message: str | None
    conditions: list[dict[str, Any]] | None
    containerStatuses: list[_Container] | None
    initContainerStatuses: list[_Container] | None


class WatchedPod(TypedDict, total=False):
    """What of a pod is read here and in `naming`: the shape of watches of pods, who need not decode the rest."""

    metadata: _Metadata
    spec: _Spec | None
    status: _Status | None


class PodStatus(NamedTuple):
    """How the step of a pod is doing.

    Attributes:
        status: The word; None where the pod says nothing about it, because it has ended.
        reason: In the cluster's words; empty where there is nothing to say.
    """

    status: StepStatus | None
    reason: str = ""


def pod_status(pod: dict[str, Any], container: str = "main") -> PodStatus:
    """Return how the step that a pod runs is doing.

    Args:
        pod: The pod, as JSON.
        container: The container that runs the step.
    """
    status = pod.get("status") or {}
    phase = status.get("phase")
    if phase in ("Succeeded", "Failed"):
        return PodStatus(None, str(status.get("message") or status.get("reason") or ""))
    unplaced = _condition(status, "PodScheduled")
    if unplaced is not None and unplaced.get("status") == "False":
        gated = unplaced.get("reason") == "SchedulingGated"
        return PodStatus("waiting-quota" if gated else "waiting-placement", str(unplaced.get("message") or ""))
    if not (pod.get("spec") or {}).get("nodeName"):
        return PodStatus("pending")
    waiting = _waiting(status)
    if waiting is not None and waiting[0] in _IMAGE:
        return PodStatus("waiting-image", waiting[1])
    if _is_running(status, container):
        return PodStatus("running")
    return PodStatus("starting", waiting[1] if waiting else "")


def has_begun(pod: dict[str, Any], container: str = "main") -> bool:
    """Say whether a pod's step has begun, so that there is a log of it."""
    for each in _listed(pod.get("status") or {}, "containerStatuses"):
        if each.get("name") == container:
            return bool({"running", "terminated"} & (each.get("state") or {}).keys())
    return False


def evidence(pod: dict[str, Any], container: str = "main") -> str:
    """Return why a pod's step was ended by something that is not the step, or nothing: ``OOMKilled``, ``Evicted``."""
    status = pod.get("status") or {}
    for each in _listed(status, "containerStatuses"):
        ended = (each.get("state") or {}).get("terminated") or {}
        if each.get("name") == container and ended.get("reason") not in (None, "", "Completed", "Error"):
            return str(ended["reason"])
    return str(status.get("reason") or "")


def _condition(status: dict[str, Any], kind: str) -> dict[str, Any] | None:
    return next((each for each in _listed(status, "conditions") if each.get("type") == kind), None)


def _waiting(status: dict[str, Any]) -> tuple[str, str] | None:
    """Return the reason and the message of the first container that waits for more than its turn."""
    for each in (*_listed(status, "initContainerStatuses"), *_listed(status, "containerStatuses")):
        waiting = (each.get("state") or {}).get("waiting")
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing", "ContainerCreating"):
            return waiting["reason"], f"{waiting['reason']}: {waiting.get('message') or ''}".rstrip(": ")
    return None


def _is_running(status: dict[str, Any], container: str) -> bool:
    return any(
        each.get("name") == container and "running" in (each.get("state") or {})
        for each in _listed(status, "containerStatuses")
    )


def _listed(status: dict[str, Any], field: str) -> list[dict[str, Any]]:
    """Return a list of a status, which is missing or null where it is empty."""
    return status.get(field) or []
