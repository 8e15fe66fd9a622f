"""A target of one's own: the ranks of a step as a ``Job`` of Volcano, which queues and places them together.

Volcano's controller makes the group of the pods, a headless Service of the job's name (its plugin ``svc``), and tells
each pod its index (its plugin ``env``).

Sources: https://volcano.sh/en/docs/vcjob/, https://volcano.sh/en/docs/job_plugins/
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.errors import Fault
from fairlead.specs.steps import Step
from fairlead.targets import naming
from fairlead.targets.orders import Manifest
from fairlead.targets.training.members import Places, member, metadata
from fairlead.targets.training.target import Gang, Resource, State, Target, not_elastic

_JOB = Resource("batch.volcano.sh", "v1alpha1", "Job", "jobs")
_FAILED = ("Aborted", "Terminated", "Failed")
_KEPT_S = 86400


def faults(step: Step) -> Iterator[Fault]:
    """Yield what of a step can't be had: overlays of the kind ``Job`` are those of Kubernetes' own."""
    yield from not_elastic(step)
    if any(each.kind == _JOB.kind for each in step.overlays):
        yield Fault("overlays", "of the kind 'Job' can't be had: they are of batch/v1; those of the kind 'Pod' can")
    if step.queue:
        yield Fault("queue", f"{step.queue!r} is Kueue's, and Volcano admits the gang")


def render(gang: Gang) -> list[Manifest]:
    """Compile the ranks of an attempt; nothing is tried again by Volcano, since each attempt is a job of its own."""
    places = Places("VC_TASK_INDEX", f"{gang.object_name}-node-{{}}.{gang.object_name}")
    made: Manifest = {
        "apiVersion": _JOB.api_version,
        "kind": _JOB.kind,
        "metadata": metadata(gang, naming.run_labels(gang.submission)),
        "spec": {
            "schedulerName": "volcano",
            "minAvailable": gang.runtime.nodes,
            "plugins": {"env": [], "svc": ["--publish-not-ready-addresses=true", "--disable-network-policy=true"]},
            "policies": [{"event": "PodFailed", "action": "TerminateJob"}],
            "ttlSecondsAfterFinished": _KEPT_S,
            "tasks": [{"name": "node", "replicas": gang.runtime.nodes, "template": member(gang, places)}],
        },
    }
    return [naming.marked(made)]


def state(found: Manifest) -> State:
    """Return what a job says of its ranks. Total over everything that it says."""
    said = (found.get("status") or {}).get("state") or {}
    phase, note = str(said.get("phase") or ""), str(said.get("message") or "")
    if phase == "Completed":
        return State("succeeded", note)
    return State("failed" if phase in _FAILED else "running", note)


TARGET = Target(
    name="volcanojob",
    component="Volcano 1.9 or newer",
    runtimes=frozenset({"torch", "jax", "tensorflow", "mpi", "xgboost"}),
    resources=(_JOB,),
    groups_itself=True,
    faults=faults,
    render=render,
    state=state,
)
