"""Gangs: pods that begin together and wait for each other. Which of them run, which have not begun, and what they are.

What each rank that runs has come to is in `fairlead.insight.pace`.
"""

from __future__ import annotations

from typing import NamedTuple

from fairlead.snapshots.parts import Part
from fairlead.snapshots.snapshot import MAINS, Snapshot, Thing, walk

GANGS = (
    "Step", "Job", "JobSet", "TrainJob", "PyTorchJob", "TFJob", "JAXJob", "XGBoostJob", "MPIJob", "RayJob",
)  # fmt: skip
"""The kinds whose pods may be one gang."""
_DELETED = "metadata.deletionTimestamp"
_ELASTIC = ("spec.elasticPolicy", "spec.rayClusterSpec.enableInTreeAutoscaling")
"""Where a gang says that it begins, and goes on, with fewer pods."""
_MEETING = frozenset({"MASTER_ADDR", "WORLD_SIZE", "COORDINATOR_ADDRESS", "JAX_COORDINATOR_ADDRESS", "TF_CONFIG"})
"""Variables by which ranks find each other."""


class Gang(NamedTuple):
    """A gang as far as its pods have not ended.

    Attributes:
        top: The uppermost object that its pods belong to.
        running: The pods that run.
        late: Those that have not begun, or begin again and again.
    """

    top: Thing
    running: tuple[Thing, ...]
    late: tuple[Thing, ...]


def gang_of(thing: Thing, snapshot: Snapshot) -> Gang | None:
    """Return the gang that an object is, or belongs to; None where there is none, or it is one pod."""
    top, known, open_ = None, {thing.ref}, [thing]
    while open_:
        each = open_.pop(0)
        top = each if _is_gang(each) and (top is None or top.ref.kind != "Step") else top
        owners = [owner for uid in each.owners if (owner := snapshot.by_uid(uid)) and owner.ref not in known]
        known.update(owner.ref for owner in owners)
        open_ += owners
    return _members(top, snapshot) if top is not None else None


def gangs(snapshot: Snapshot) -> tuple[Gang, ...]:
    """Return every gang."""
    found = (gang_of(thing, snapshot) for kind in GANGS for thing in snapshot.of_kind(kind))
    return tuple({gang.top.ref: gang for gang in found if gang is not None}.values())


def running(pod: Thing) -> tuple[Part, ...]:
    """Return the containers of a pod that run."""
    return tuple(each for each in pod.each(MAINS) if each.part("state.running").value is not None)


def waiting(pod: Thing) -> Part | None:
    """Return the container that keeps a pod from running; None where it has not come so far."""
    return next((each for each in pod.containers if each.part("state.waiting").value is not None), None)


def is_running(pod: Thing) -> bool:
    """Say whether a pod runs, as far as its containers say so, and is to go on."""
    return pod.text("status.phase") == "Running" and waiting(pod) is None and not pod.text(_DELETED)


def _is_late(pod: Thing) -> bool:
    is_on = pod.text("status.phase") == "Running" and waiting(pod) is not None
    return (is_on or pod.text("status.phase") in ("", "Pending")) and not pod.text(_DELETED)


def _is_gang(thing: Thing) -> bool:
    """Say whether the pods below an object wait for each other."""
    if thing.ref.kind == "Step":
        return any(thing.each("status.ranks"))
    if thing.ref.kind != "Job":
        return thing.ref.kind in GANGS and not any(thing.part(path).value for path in _ELASTIC)
    pods = thing.part("spec.template.spec")
    names = {variable.text("name") for each in pods.each("containers") for variable in each.each("env")}
    return thing.text("spec.completionMode") == "Indexed" and bool(pods.text("subdomain") or names & _MEETING)


def _members(top: Thing, snapshot: Snapshot) -> Gang | None:

    def gather() -> Gang | None:
        pods = [each for each in walk(snapshot, top) if each.ref.kind == "Pod"]
        on, late = tuple(filter(is_running, pods)), tuple(filter(_is_late, pods))
        return Gang(top, on, late) if len(pods) > 1 or top.ref.kind == "Step" else None

    return snapshot.once(("gang", top.ref), gather)
