"""What a pod says of the step that it runs: one word, with the cluster's own reason. Total over everything a pod says.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict

from fairlead.specs.status import StepStatus
from fairlead.targets.pods import CONTAINER, MAIN, QUEUE

IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")

_CLAIM = "persistentvolumeclaim"
"""What the scheduler's message holds where a claim is not there, not bound, or about to go."""


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


def main_container(pod: Mapping[str, Any]) -> str:
    """Return the name of the container that runs the step."""
    return str(((pod.get("metadata") or {}).get("annotations") or {}).get(CONTAINER) or MAIN)


def pod_status(pod: dict[str, Any]) -> PodStatus:
    """Return how the step that a pod runs is doing.

    Args:
        pod: The pod, as JSON.
    """
    status = pod.get("status") or {}
    phase = status.get("phase")
    if phase in ("Succeeded", "Failed"):
        return PodStatus(None, str(status.get("message") or status.get("reason") or ""))
    unplaced = condition(status, "PodScheduled")
    if unplaced is not None and unplaced.get("status") == "False":
        if unplaced.get("reason") != "SchedulingGated":
            said = str(unplaced.get("message") or "")
            return PodStatus("waiting-volume" if _CLAIM in said.lower() else "waiting-placement", said)
        queue = ((pod.get("metadata") or {}).get("labels") or {}).get(QUEUE)
        said = f"waits to be admitted by the queue {queue}" if queue else str(unplaced.get("message") or "")
        return PodStatus("waiting-quota", said)
    if not (pod.get("spec") or {}).get("nodeName"):
        return PodStatus("pending")
    waiting = first_waiting(status)
    if waiting is not None and waiting[0] in IMAGE_REASONS:
        return PodStatus("waiting-image", waiting[1])
    if _is_running(status, main_container(pod)):
        return PodStatus("running")
    return PodStatus("starting", waiting[1] if waiting else "")


def has_begun(pod: dict[str, Any]) -> bool:
    """Say whether a pod's step has begun, so that there is a log of it."""
    for each in listed(pod.get("status") or {}, "containerStatuses"):
        if each.get("name") == main_container(pod):
            return bool({"running", "terminated"} & (each.get("state") or {}).keys())
    return False


def condition(status: Mapping[str, Any], kind: str) -> dict[str, Any] | None:
    """Return a condition of a pod's status."""
    return next((each for each in listed(status, "conditions") if each.get("type") == kind), None)


def first_waiting(status: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the reason and the message of the first container that waits for more than its turn."""
    for each in (*listed(status, "initContainerStatuses"), *listed(status, "containerStatuses")):
        waiting = (each.get("state") or {}).get("waiting")
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing", "ContainerCreating"):
            return waiting["reason"], f"{waiting['reason']}: {waiting.get('message') or ''}".rstrip(": ")
    return None


def _is_running(status: dict[str, Any], container: str) -> bool:
    return any(
        each.get("name") == container and "running" in (each.get("state") or {})
        for each in listed(status, "containerStatuses")
    )


def listed(status: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """Return a list of a status, which is missing or null where it is empty."""
    return status.get(field) or []
