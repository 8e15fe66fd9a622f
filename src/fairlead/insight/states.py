"""How an object is, in one word: by what it says itself; where it says nothing, by what belongs to it."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.insight.signs import is_well
from fairlead.snapshots.snapshot import Snapshot, Thing, walk

SCHEDULES = ("CronJob", "CronWorkflow", "ScheduledWorkflow", "ScheduledSparkApplication", "RayCronJob")
"""Kinds that begin others by the clock, and are as the last of these is."""
OPERATED = (
    "Workflow", "PipelineRun", "TaskRun", "TrainJob", "JobSet", "PyTorchJob", "TFJob", "JAXJob", "XGBoostJob", "MPIJob",
    "RayJob", "RayCluster", "RayService", "SparkApplication", "DaskJob", "DaskCluster", "InferenceService",
    "Experiment", "Trial", "SeldonDeployment", "LeaderWorkerSet",
)  # fmt: skip
"""Workloads of operators, which wait for these where they have no status."""
_SUCCESSES = frozenset({"Complete", "Succeeded", "Completed", "Finished", "EarlyStopped"})
_FAILURES = frozenset({"Failed", "Error", "FailureTarget"})
_FAILED = frozenset({
    "failed", "error", "failing", "submission_failed", "validationfailed", "stopped", "aborted", "terminated",
})  # fmt: skip
_RUNNING = frozenset({"running", "active", "ready", "available", "bound"})
_OTHERWISE = frozenset({"blocked", "cancelled", "lost", "skipped"})
_BY_SUCCESS = ("PipelineRun", "TaskRun")
"""Kinds that have failed where that condition is false: elsewhere it says that they have not ended."""
_STATES = (
    "status.phase", "status.jobDeploymentStatus", "status.applicationState.state", "status.jobStatus", "status.state",
    "status.state.phase",
)  # fmt: skip
"""Where kinds without such conditions say how they are."""
_WHOLE = ("Ready", "Available")
"""Conditions that stand for all of an object: where one is false, its pods may run nevertheless."""


def state_of(thing: Thing) -> str:
    """Return how an object says that it is."""
    conditions = {kind for kind, each in thing.conditions.items() if each.text("status") == "True"}
    lower = set(_words(thing))
    succeeded = thing.condition("Succeeded") if thing.ref.kind in _BY_SUCCESS else None
    if succeeded is not None and succeeded.text("status") == "False":
        return "failed"
    if conditions & _FAILURES or lower & _FAILED:
        return "failed"
    if conditions & _SUCCESSES or lower & {"succeeded", "complete", "completed"}:
        return "succeeded"
    if ended := lower & _OTHERWISE:
        return min(ended)
    if lower & _RUNNING or "Running" in conditions or is_well(thing):
        waits = any(each.part("state.waiting").value for each in thing.containers)
        return "pending" if waits else "running"
    return "pending" if lower or thing.part("status").value or thing.ref.kind in ("Pod", *OPERATED) else "unknown"


def state_in(snapshot: Snapshot, thing: Thing) -> str:
    """Return how an object is, as far as what belongs to it says so where itself it does not."""
    if thing.ref.kind in SCHEDULES:
        last = None if is_off(thing) else last_of(snapshot, thing)
        return state_in(snapshot, last) if last else "pending"
    state = state_of(thing)
    is_denied = any((said := thing.condition(kind)) is not None and said.text("status") == "False" for kind in _WHOLE)
    if state != "pending" or thing.ref.kind == "Pod" or is_denied or any(_words(thing)):
        return state
    pods = [each for each in walk(snapshot, thing) if each.ref.kind == "Pod"]
    going = [each for each in pods if state_of(each) not in ("succeeded", "failed")]
    return "running" if going and all(map(_is_up, going)) else state


def last_of(snapshot: Snapshot, schedule: Thing) -> Thing | None:
    """Return what a schedule has begun last; None where nothing of that is known."""
    begun = sorted(snapshot.below(schedule), key=lambda each: each.text("metadata.creationTimestamp"))
    return begun[-1] if begun else None


def is_off(schedule: Thing) -> bool:
    """Say whether somebody has switched a schedule off."""
    return schedule.part("spec.suspend").value is True or schedule.part("spec.enabled").value is False


def _words(thing: Thing) -> Iterator[str]:
    return (word.lower() for path in _STATES if (word := thing.text(path)))


def _is_up(pod: Thing) -> bool:
    ready = pod.condition("Ready")
    return state_of(pod) == "running" and (ready is None or ready.text("status") == "True")
