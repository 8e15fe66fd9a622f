"""How an object is, in one word: by what it says itself; where it says nothing, by what belongs to it."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.insight.ends import is_over
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
_WELL = ("Ready", "Available", "Admitted", "ScalingActive")
"""Conditions that say so of kinds which nothing else is known of."""


def state_of(thing: Thing, snapshot: Snapshot) -> str:
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
    if lower & _RUNNING or "Running" in conditions or is_well(thing, snapshot):
        waits = any(each.part("state.waiting").value for each in thing.containers)
        return "pending" if waits else "running"
    return "pending" if lower or thing.part("status").value or thing.ref.kind in ("Pod", *OPERATED) else "unknown"


def state_in(thing: Thing, snapshot: Snapshot) -> str:
    """Return how an object is, as far as what belongs to it says so where itself it does not."""
    if thing.ref.kind in SCHEDULES:
        if is_off(thing):
            return "pending"
        if last := last_begun(thing, snapshot):
            return state_in(last, snapshot)
        return "succeeded" if thing.text("status.lastSuccessfulTime") and not is_late(thing) else "pending"
    state = state_of(thing, snapshot)
    is_denied = any((said := thing.condition(kind)) is not None and said.text("status") == "False" for kind in _WHOLE)
    if state != "pending" or thing.ref.kind == "Pod" or is_denied or any(_words(thing)):
        return state
    pods = [each for each in walk(snapshot, thing) if each.ref.kind == "Pod"]
    going = [each for each in pods if state_of(each, snapshot) not in ("succeeded", "failed")]
    return "running" if going and all(_is_up(each, snapshot) for each in going) else state


def is_well(thing: Thing, snapshot: Snapshot) -> bool:
    """Say whether an object is as it should be: what was said of it before, while it was not, is over."""
    if thing.text("metadata.deletionTimestamp"):
        return False
    if thing.ref.kind == "Pod":
        ready = thing.condition("Ready")
        restarted = any(
            each.number("restartCount") and not is_over(each, thing, snapshot)
            for each in thing.containers
            if each.part("state.terminated").value is None
        )
        return ready is not None and ready.text("status") == "True" and not restarted
    if thing.ref.kind == "Job":
        count = thing.number("status.ready") or 0
        return count > 0 and count >= (thing.number("status.active") or 0)
    if thing.ref.kind in ("Deployment", "ReplicaSet", "StatefulSet"):
        return (thing.number("status.availableReplicas") or 0) >= (thing.number("spec.replicas") or 1)
    if thing.ref.kind == "DaemonSet":
        return (thing.number("status.numberAvailable") or 0) >= (thing.number("status.desiredNumberScheduled") or 0)
    if thing.ref.kind == "PersistentVolumeClaim":
        return thing.text("status.phase") == "Bound"
    if thing.ref.kind == "JobSet":
        jobs = list(thing.each("status.replicatedJobsStatus"))
        return any(each.number("ready") for each in jobs) and not any(each.number("suspended") for each in jobs)
    if thing.ref.kind == "ResourceClaim":
        return bool(thing.mapping("status.allocation"))
    well = ("Active",) if thing.ref.kind in ("ClusterQueue", "LocalQueue", "AdmissionCheck") else _WELL
    return any((said := thing.condition(kind)) is not None and said.text("status") == "True" for kind in well)


def last_begun(schedule: Thing, snapshot: Snapshot) -> Thing | None:
    """Return what a schedule has begun last; None where nothing of that is known."""
    begun = sorted(snapshot.below(schedule), key=lambda each: each.text("metadata.creationTimestamp"))
    return begun[-1] if begun else None


def is_off(schedule: Thing) -> bool:
    """Say whether somebody has switched a schedule off."""
    return schedule.part("spec.suspend").value is True or schedule.part("spec.enabled").value is False


def is_late(schedule: Thing) -> bool:
    """Say whether a schedule's last run that was due has not succeeded, while an earlier one has."""
    return "" < schedule.text("status.lastSuccessfulTime") < schedule.text("status.lastScheduleTime")


def _words(thing: Thing) -> Iterator[str]:
    return (word.lower() for path in _STATES if (word := thing.text(path)))


def _is_up(pod: Thing, snapshot: Snapshot) -> bool:
    ready = pod.condition("Ready")
    return state_of(pod, snapshot) == "running" and (ready is None or ready.text("status") == "True")
