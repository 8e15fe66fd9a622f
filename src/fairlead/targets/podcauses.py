"""What has become of a pod that fares badly, and why: from what the pod and its events say. Total and pure.

Source: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fairlead.specs.causes import CAUSES
from fairlead.specs.status import SPENT
from fairlead.targets.podstatus import IMAGE_REASONS, condition, first_waiting, listed, main_container

UNSCHEDULABLE = "Unschedulable"
"""The reason of a pod's end that a context's policy has given it, and the scheduler's of one that fits nowhere now."""

WAITS = frozenset({"unplaced", "image", "config"})
"""The transitions of a pod that can't begin, for now."""
ENDS = frozenset({"ending", "ended", "gone"})
"""Those of one that is no more, or soon will not be."""

MEMORY = "used more than the memory limit of its container"

_CONFIG = (
    "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "ContainerCannotRun", "StartError",
    "CreatePodSandboxError",
)  # fmt: skip
_DISRUPTIONS = {
    "PreemptionByScheduler": "Preempted",
    "EvictionByEvictionAPI": "Evicted",
    "TerminationByKubelet": "Evicted",
    "DeletionByTaintManager": "NodeLost",
    "DeletionByPodGC": "NodeLost",
}
_BY_QUEUE = "WorkloadEvicted"
"""The reason of a pod that Kueue removes, because its queue takes the quota back.

Source: https://kueue.sigs.k8s.io/docs/concepts/preemption/
"""
_REASONS = {"Evicted": "Evicted", "NodeLost": "NodeLost", "NodeShutdown": "NodeLost", "Preempting": "Preempted"}
_EVENTS = {"Preempted": "Preempted", "Evicted": "Evicted", "TaintManagerEviction": "NodeLost"}


class Cause(NamedTuple):
    """Why a pod fares badly.

    Attributes:
        word: One of `fairlead.specs.causes`.
        message: In the cluster's words.
    """

    word: str
    message: str

    @property
    def infrastructure(self) -> bool:
        """Whether the step is not to blame."""
        return CAUSES[self.word]


def transition(pod: Mapping[str, Any], *, gone: bool) -> str:
    """Return what has become of a pod that should be kept in mind, as one word; empty where all is well.

    Args:
        pod: The pod, as it is, or as it was last.
        gone: Whether it is no more.
    """
    status = pod.get("status") or {}
    phase = status.get("phase")
    if phase == "Succeeded" or _said_so_itself(pod):
        return ""
    if phase == "Failed":
        return "ended"
    if gone:
        return "gone"
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        return "ending"
    if is_unplaced(pod):
        return "unplaced"
    waiting = first_waiting(status)
    if waiting is not None and waiting[0] in IMAGE_REASONS:
        return "image"
    return "config" if waiting is not None and waiting[0] in _CONFIG else ""


def cause(
    pod: Mapping[str, Any], events: Iterable[Mapping[str, Any]] = (), *, gone: bool, suspended: bool = False
) -> Cause:
    """Return why a pod is in the state that `transition` names.

    Args:
        pod: The pod.
        events: Its events.
        gone: Whether it is no more.
        suspended: Whether the job that it belongs to was suspended, as queues do that take quota back.
    """
    for word, message in _causes(pod, list(events), gone=gone, suspended=suspended):
        return Cause(word, message or word)
    return Cause("Exit", "its pod failed, and nothing says why")


def is_unplaced(pod: Mapping[str, Any]) -> bool:
    """Say whether the scheduler has found no node for a pod; one that a queue holds back was not looked at."""
    found = condition(pod.get("status") or {}, "PodScheduled")
    return found is not None and found.get("status") == "False" and found.get("reason") == UNSCHEDULABLE


def was_ended(pod: Mapping[str, Any]) -> bool:
    """Say whether a pod was given its end by a policy, because it could not begin."""
    status = pod.get("status") or {}
    return bool(status.get("phase") == "Failed" and status.get("reason") == UNSCHEDULABLE)


def _causes(
    pod: Mapping[str, Any], events: list[Mapping[str, Any]], *, gone: bool, suspended: bool
) -> Iterator[tuple[str, str]]:
    """Yield every cause, the surest first."""
    status = pod.get("status") or {}
    ended = {
        each.get("name"): (each.get("state") or {}).get("terminated") for each in listed(status, "containerStatuses")
    }
    main = ended.get(main_container(pod)) or {}
    if was_ended(pod):
        yield UNSCHEDULABLE, str(status.get("message") or "")
    if main.get("reason") == "OOMKilled":
        yield "Memory", MEMORY
    disrupted = condition(status, "DisruptionTarget")
    if disrupted is not None and disrupted.get("status") == "True" and disrupted.get("reason") in _DISRUPTIONS:
        yield _DISRUPTIONS[str(disrupted["reason"])], _said(status, disrupted)
    stopped = condition(status, "TerminationTarget")
    if stopped is not None and stopped.get("status") == "True" and stopped.get("reason") == _BY_QUEUE:
        yield "Preempted", _said(status, stopped)
    yield from _by_reason(status)
    yield from _by_containers(status, main)
    for event in events:
        if event.get("reason") in _EVENTS:
            yield _EVENTS[str(event["reason"])], str(event.get("message") or "")
    if gone or (pod.get("metadata") or {}).get("deletionTimestamp"):
        if suspended:
            yield "Preempted", "its job was suspended: the queue took its quota back"
        unplaced = f" while it waited for a place: {_unplaced_message(status)}" if is_unplaced(pod) else ""
        yield "Deleted", f"its pod {(pod.get('metadata') or {}).get('name', '')} was deleted{unplaced}"
    if is_unplaced(pod):
        yield "Placement", _unplaced_message(status)
    elif status.get("phase") in ("Pending", "Running") and not gone:
        yield "Placement", f"its pod has a place: {(pod.get('spec') or {}).get('nodeName', '')}"
    if main:
        yield "Exit", f"its container ended with exit code {main.get('exitCode')} before it left a record"


def _by_reason(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the pod as a whole gives as its reason: the kubelet's, mostly."""
    reason = status.get("reason")
    if reason and status.get("phase") == "Failed":
        yield _REASONS.get(str(reason), "Rejected"), ": ".join(filter(None, (str(reason), status.get("message"))))


def _by_containers(status: Mapping[str, Any], main: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    waiting = first_waiting(status)
    if waiting is not None and waiting[0] in IMAGE_REASONS:
        yield "Image", waiting[1]
    for each in listed(status, "initContainerStatuses"):
        ended = (each.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            why = ": ".join(filter(None, (ended.get("reason"), ended.get("message"))))
            yield (
                "Init",
                f"its init container {each.get('name')} ended with exit code {ended['exitCode']}: {why}".rstrip(": "),
            )
    if waiting is not None and waiting[0] in _CONFIG:
        yield "Config", waiting[1]
    if main.get("reason") in _CONFIG:
        yield "Config", ": ".join(filter(None, (str(main["reason"]), main.get("message"))))


def _said(status: Mapping[str, Any], disrupted: Mapping[str, Any]) -> str:
    """Return the words of a disruption: the kubelet puts them beside the condition, others into it."""
    return str(disrupted.get("message") or status.get("message") or disrupted["reason"])


def _unplaced_message(status: Mapping[str, Any]) -> str:
    return str((condition(status, "PodScheduled") or {}).get("message") or "")


def _said_so_itself(pod: Mapping[str, Any]) -> bool:
    """Say whether the worker has told the cluster that it has done what was to be done: with a record."""
    for each in listed(pod.get("status") or {}, "containerStatuses"):
        ended = (each.get("state") or {}).get("terminated") or {}
        if each.get("name") == main_container(pod) and not was_ended(pod):
            return ended.get("exitCode") in (0, SPENT)
    return False
