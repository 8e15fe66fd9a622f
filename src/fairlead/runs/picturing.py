"""A run as objects of a snapshot: the run, its steps that gave no result, and their pods as watchers saw them.

So that what explains a cluster's objects explains runs as well, here and in a bundle. The kinds are our own:

    Run    spec: flow, context   status: phase, reason, steps (how many of each status), startedAt, finishedAt
    Step   named RUN/STEP/INDEX  spec: memory, timeout
                                 status: phase, reason, needs (the steps it waits for), attempts (how each ended),
                                 ranks (of one that runs: what each wrote last)

A pod of a step has that step as an owner, beside those that its cluster knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from fairlead.engines.kubernetes.known import attempt_of
from fairlead.naming import iso_time
from fairlead.runs.finding import Target
from fairlead.runs.ranks import Logged
from fairlead.snapshots.parts import Ref
from fairlead.snapshots.redacting import redacted_object, redacted_text
from fairlead.snapshots.snapshot import LogName, Snapshot
from fairlead.specs import graphs
from fairlead.specs.graphs import Graph
from fairlead.specs.reports import ErrorReport, RunReport, StepReport
from fairlead.store import verdicts
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import AttemptRecord, ContainerState, Event, Evidence, RunSpec
from fairlead.targets import naming

API = f"{naming.PREFIX}v1"
NEEDS_MAX = 20
"""Steps that one waits for which are named."""
LOG_CHARACTERS = 2000
"""Of what an attempt wrote last."""

_WAIT = ("pending", "blocked", "cancelled", "lost")
Key = tuple[str, int]


class Picture(NamedTuple):
    """What a run's records show: objects, events and logs, as a snapshot has them."""

    objects: list[dict[str, Any]]
    events: list[dict[str, Any]]
    logs: dict[LogName, str]


def pictured(
    spec: RunSpec,
    document: RunReport,
    progress: Progress,
    asked: Iterable[Event],
    target: Target,
    logged: Mapping[Key, Logged] = MappingProxyType({}),
) -> Picture:
    """Return what the records of a run show.

    Args:
        spec: What the run is.
        document: How it is doing.
        progress: How far it is.
        asked: What people asked of it.
        target: The run, or a step or an instance of it, which is shown alone, with what it needs.
        logged: What the ranks of steps that run have logged last.
    """
    statuses = {(each.name, each.index): each for each in document.steps}
    needs = _Needs(spec.run, progress, statuses)
    found = progress.instances.get
    wanted = {key for key, each in statuses.items() if _is_wanted(each, found(key), target)}
    if target.step is not None:
        wanted |= needs.upstream(wanted)
    picture = Picture([_run(spec, document, asked)], [], {})
    for key, step in statuses.items():
        if key in wanted:
            _add_step(picture, spec.run, step, progress.instances.get(key), needs.of(key), logged.get(key, {}))
    return picture


def subject(spec: RunSpec, target: Target) -> Ref:
    """Return the object that a target names: one instance, or else the run."""
    return _ref("Run", spec.run) if target.index is None else _ref("Step", f"{spec.run}/{target.step}/{target.index}")


def owned(objects: Iterable[Mapping[str, Any]], run: str, graph: Graph) -> Iterator[Mapping[str, Any]]:
    """Yield objects of a cluster, those of a run with what they belong to in it: pods to steps, others to the run."""
    for each in objects:
        metadata = each.get("metadata") or {}
        if (metadata.get("labels") or {}).get(naming.RUN) != run:
            yield each
            continue
        task = attempt_of(each, graph) if each.get("kind") == "Pod" else None
        owner = _ref("Run", run) if task is None else _ref("Step", f"{run}/{task.step}/{task.index}")
        owners = [*(metadata.get("ownerReferences") or ()), _owner(owner)]
        yield {**each, "metadata": {**metadata, "ownerReferences": owners}}


def told(events: Iterable[Mapping[str, Any]], live: Snapshot) -> Iterator[Mapping[str, Any]]:
    """Yield the events that watchers kept, of pods that are there too: whoever may not read events has these."""
    spaces = {pod.ref.name: pod.ref.namespace for pod in live.of_kind("Pod")}
    for each in events:
        about = each["involvedObject"]
        yield {**each, "involvedObject": {**about, "namespace": spaces.get(about["name"], about["namespace"])}}


class _Needs:
    """What steps can't run without, as far as it is not there."""

    def __init__(self, run: str, progress: Progress, steps: Mapping[Key, StepReport]) -> None:
        self._run, self._progress, self._steps = run, progress, steps
        self._nodes = {(node.title, node.index): number for number, node in enumerate(progress.graph.nodes)}
        self._missing: dict[int, list[Key]] = {}

    def of(self, key: Key) -> list[dict[str, str]]:
        """Return the steps that one needs and that gave no result, those first that failed."""
        found = [self._steps[each] for each in self._keys(key)]
        found.sort(key=lambda each: each.status != "failed")
        return [{"step": f"{self._run}/{each.name}/{each.index}", "status": each.status} for each in found[:NEEDS_MAX]]

    def upstream(self, keys: Iterable[Key]) -> set[Key]:
        """Return all that some steps need, however indirectly, as far as it gave no result."""
        found, open_ = set[Key](), list(keys)
        while open_:
            fresh = [each for each in self._keys(open_.pop()) if each not in found]
            found.update(fresh)
            open_ += fresh
        return found

    def _keys(self, key: Key) -> Iterator[Key]:
        instance = self._progress.instances.get(key)
        number = self._nodes.get(key, -1) if instance is None else instance.node
        if self._steps[key].status not in _WAIT or number < 0:
            return
        graph = self._progress.graph
        node = graph.nodes[number]
        followed = verdicts.streamed(graph, node)
        for need in sorted(graphs.needs(node)):
            missing = self._missing_of(need)
            if instance is not None and instance.item is not None and need in followed:
                missing = [each for each in missing if self._progress.instances[each].item == instance.item]
            yield from missing

    def _missing_of(self, number: int) -> list[Key]:
        if number not in self._missing:
            node, keys = self._progress.graph.nodes[number], [each.key for each in self._progress.instances_of(number)]
            if not self._progress.is_expanded(number):
                keys = [(node.title, node.index)]
            self._missing[number] = [each for each in keys if self._steps[each].status not in ("succeeded", "skipped")]
        return self._missing[number]


def _is_wanted(step: StepReport, instance: Instance | None, target: Target) -> bool:
    """Say whether a step is shown: one that is asked for, and of others those that people may wonder at."""
    if target.step is not None and (step.name != target.step or target.index not in (None, step.index)):
        return False
    return step.status != "succeeded" or target.index is not None or _unstable(instance) is not None


def _unstable(instance: Instance | None) -> str | None:
    """Return what an earlier execution with the same cache key gave, where this one gave something else."""
    records = instance.attempts.values() if instance is not None else ()
    return next((each.unstable for each in records if each.unstable), None)


def _run(spec: RunSpec, document: RunReport, asked: Iterable[Event]) -> dict[str, Any]:
    by = [f"by {each.user or 'somebody'} at {iso_time(each.time)}" for each in asked if each.kind == "cancel"]
    status = {
        "phase": document.status,
        "reason": document.reason or (by[-1] if by and document.status == "cancelled" else ""),
        "steps": dict(Counter(each.status for each in document.steps)),
        "startedAt": document.started,
        "finishedAt": document.finished,
    }
    return {
        "apiVersion": API,
        "kind": "Run",
        "metadata": {"name": spec.run, "uid": spec.run, "creationTimestamp": document.started},
        "spec": {"flow": document.flow, "context": spec.context},
        "status": status,
    }


def _add_step(
    picture: Picture,
    run: str,
    step: StepReport,
    instance: Instance | None,
    needs: list[dict[str, str]],
    logged: Logged,
) -> None:
    name = f"{run}/{step.name}/{step.index}"
    is_past = step.status in ("blocked", "skipped")  # its attempts were of before its inputs ceased to count
    records = [record for _, record in sorted(instance.attempts.items())] if instance and not is_past else []
    spec: dict[str, Any] = {}
    if instance is not None:
        spec = {"memory": instance.step.resources.memory, "timeout": instance.step.timeout}
    made = {
        "apiVersion": API,
        "kind": "Step",
        "metadata": {"name": name, "uid": name, "ownerReferences": [_owner(_ref("Run", run))]},
        "spec": spec,
        "status": {
            "phase": step.status,
            "reason": step.reason or "",
            "startedAt": step.started,
            "finishedAt": step.finished,
            "unstable": _unstable(instance),
            "needs": needs,
            "attempts": [_attempt(each) for each in records if each.status != "succeeded"],
            "ranks": [
                {
                    "rank": rank,
                    "wroteAt": iso_time(each.wrote) if each.wrote is not None else "",
                    "logged": [{"time": iso_time(line.time), "at": line.at} for line in each.lines],
                }
                for rank, each in logged.items()
            ],
        },
    }
    picture.objects.append(redacted_object(made))
    for seen in instance.evidence.values() if instance else ():
        _add_pod(picture, _owner(_ref("Step", name)), seen)


def _attempt(record: AttemptRecord) -> dict[str, Any]:
    error = record.error or ErrorReport(type="Lost", message="its record does not say why")
    return {
        "number": record.number,
        "status": record.status,
        "startedAt": iso_time(record.started),
        "finishedAt": iso_time(record.finished),
        "exitCode": record.exit_code,
        "signal": record.signal,
        "peakMemoryBytes": record.peak_memory_bytes,
        "rank": record.rank,
        "podUid": record.pod_uid,
        "error": {
            "type": error.type,
            "message": error.message,
            "frame": error.frames[-1] if error.frames else "",
            "line": error.line,
            "log": error.traceback[-LOG_CHARACTERS:],
        },
    }


def _add_pod(picture: Picture, owner: dict[str, Any], seen: Evidence) -> None:
    """Show a pod as it was when something became of it."""
    statuses: dict[str, list[dict[str, Any]]] = {"initContainerStatuses": [], "containerStatuses": []}
    for each in seen.containers:
        is_first = seen.cause == "Init" and bool(each.exit_code)
        statuses["initContainerStatuses" if is_first else "containerStatuses"].append(_container(each, seen.time))
    conditions = [
        {"type": each.type, "status": each.status, "reason": each.reason, "message": each.message,
         "lastTransitionTime": each.since} for each in seen.conditions
    ]  # fmt: skip
    reason, _, said = seen.message.partition(": ") if seen.phase == "Failed" else ("", "", "")
    whole = {"reason": reason, "message": said} if said and " " not in reason else {}  # as the kubelet gives it
    status = {"phase": seen.phase, "conditions": conditions, **whole, **statuses}
    metadata = {"name": seen.pod, "namespace": "", "uid": seen.uid, "ownerReferences": [owner]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": seen.node}, "status": status}
    picture.objects.append(redacted_object(pod))
    for event in seen.events:
        about = {"kind": "Pod", "namespace": "", "name": seen.pod}
        told = {"involvedObject": about, "type": event.type, "reason": event.reason, "message": event.message,
                "lastTimestamp": event.time, "count": event.count}  # fmt: skip
        picture.events.append(redacted_object(told))
    if seen.log and seen.containers:
        picture.logs[LogName(seen.pod, seen.containers[-1].name)] = redacted_text(seen.log)


def _container(state: ContainerState, time: float) -> dict[str, Any]:
    said: dict[str, Any] = {"reason": state.reason, "message": state.message}
    if state.state == "terminated":
        said |= {"exitCode": state.exit_code, "signal": state.signal, "finishedAt": iso_time(time)}
    return {"name": state.name, "restartCount": state.restarts, "state": {state.state: said}}


def _ref(kind: str, name: str) -> Ref:
    return Ref(kind, "", name)


def _owner(ref: Ref) -> dict[str, Any]:
    return {"apiVersion": API, "kind": ref.kind, "name": ref.name, "uid": ref.name}
