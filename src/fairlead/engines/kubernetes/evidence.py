"""From a pod that fares badly to the record of what was seen of it: bounded, and without its environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fairlead.engines.kubernetes.known import generation_of
from fairlead.store.layout import Task
from fairlead.store.records import ContainerState, Evidence, PodCondition, PodEvent
from fairlead.targets.podcauses import ENDS, Cause
from fairlead.targets.podstatus import listed, pod_status

_MESSAGE_CHARACTERS_MAX = 1000
_LISTED_MAX = 10
LOG_LINES = 20
LOG_BYTES = 8 << 10


def evidence_of(
    pod: Mapping[str, Any], task: Task, transition: str, cause: Cause, *, time: float, events: Iterable[Any], log: str
) -> Evidence:
    """Make the record.

    Args:
        pod: The pod, as it is or was last.
        task: The instance that it is of.
        transition: What has become of it.
        cause: Why.
        time: When that was seen, in seconds since 1970.
        events: The pod's events.
        log: The last lines that it wrote.
    """
    status, metadata = pod.get("status") or {}, pod["metadata"]
    waits = transition not in ENDS
    told = sorted(map(_event, events), key=lambda each: each.time)[-_LISTED_MAX:]
    return Evidence(
        step=task.step,
        index=task.index,
        number=task.number,
        generation=generation_of(pod),
        pod=metadata["name"],
        uid=metadata["uid"],
        transition=transition,
        time=time,
        waiting=(pod_status(dict(pod)).status or "") if waits else "",
        cause=cause.word,
        message=_cut(cause.message),
        infrastructure=cause.infrastructure,
        phase=str(status.get("phase") or ""),
        node=str((pod.get("spec") or {}).get("nodeName") or ""),
        conditions=tuple(_conditions(status))[:_LISTED_MAX],
        containers=tuple(_containers(status))[:_LISTED_MAX],
        events=tuple(told),
        log=log[-LOG_BYTES:],
    )


def _conditions(status: Mapping[str, Any]) -> Iterator[PodCondition]:
    """Yield the conditions that are not as in a pod that runs."""
    for each in listed(status, "conditions"):
        if (each.get("status") == "True") == (each.get("type") == "DisruptionTarget"):
            yield PodCondition(
                type=str(each.get("type") or ""),
                status=str(each.get("status") or ""),
                reason=str(each.get("reason") or ""),
                message=_cut(each.get("message")),
                since=str(each.get("lastTransitionTime") or ""),
            )


def _containers(status: Mapping[str, Any]) -> Iterator[ContainerState]:
    for each in (*listed(status, "initContainerStatuses"), *listed(status, "containerStatuses")):
        for state, more in (each.get("state") or {}).items():
            said = more or {}
            yield ContainerState(
                name=str(each.get("name") or ""),
                state=state,
                reason=str(said.get("reason") or ""),
                message=_cut(said.get("message")),
                exit_code=said.get("exitCode"),
                signal=said.get("signal"),
                restarts=int(each.get("restartCount") or 0),
            )


def _event(event: Mapping[str, Any]) -> PodEvent:
    return PodEvent(
        type=str(event.get("type") or ""),
        reason=str(event.get("reason") or ""),
        message=_cut(event.get("message")),
        time=str(event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or ""),
        count=int(event.get("count") or (event.get("series") or {}).get("count") or 1),
    )


def _cut(text: Any) -> str:
    return str(text or "")[:_MESSAGE_CHARACTERS_MAX]
