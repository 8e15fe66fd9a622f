"""The pods of a gang, placed together or not at all: by the group that a gang scheduler reads, or near each other.

One group for each gang, of its object's name. Where a component makes the group of what it runs, its own field says
so; for all others Fairlead makes it. Kueue, which admits gangs whole, is told how near each other their pods must be.

Sources: https://volcano.sh/en/docs/podgroup/, https://github.com/kubernetes-sigs/scheduler-plugins/tree/master/pkg/coscheduling,
https://www.kubeflow.org/docs/components/trainer/operator-guides/job-scheduling/overview/,
https://www.kubeflow.org/docs/components/trainer/legacy-v1/user-guides/job-scheduling/,
https://kueue.sigs.k8s.io/docs/concepts/topology_aware_scheduling/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairlead.errors import Fault
from fairlead.specs.contexts import Context
from fairlead.specs.gang_scheduling import GangScheduler, parse_gang_scheduler
from fairlead.specs.runtimes import RankRuntime, fewest_nodes
from fairlead.specs.steps import Step
from fairlead.targets import naming, pods
from fairlead.targets.fitting import requests
from fairlead.targets.orders import Manifest
from fairlead.targets.training.target import Gang, Resource

_VOLCANO = Resource("scheduling.volcano.sh", "v1beta1", "PodGroup", "podgroups")
_COSCHEDULING = Resource("scheduling.x-k8s.io", "v1alpha1", "PodGroup", "podgroups")
GROUPS = {_VOLCANO: "Volcano", _COSCHEDULING: "the Kubernetes scheduler plugins"}
"""The kinds of groups, and what serves them."""

_OF_VOLCANO = "scheduling.k8s.io/group-name"
"""The annotation by which Volcano knows the group of a pod."""
_OF_COSCHEDULING = "scheduling.x-k8s.io/pod-group"
"""The label by which coscheduling does."""
_QUEUE = "scheduling.volcano.sh/queue-name"
"""The annotation from which Trainer takes Volcano's queue."""
_REQUIRED = "kueue.x-k8s.io/podset-required-topology"
_PREFERRED = "kueue.x-k8s.io/podset-preferred-topology"


def group_resource(context: Context) -> Resource | None:
    """Return the kind of the groups that a context's gang scheduler reads; None where it has none."""
    scheduler = parse_gang_scheduler(context.gang_scheduler)
    return None if scheduler is None else _resource(scheduler)


def scheduling_refusals(step: Step, context: Context) -> Iterator[Fault]:
    """Yield why a gang can't be scheduled as a context and its step say, with paths below the step."""
    scheduler = parse_gang_scheduler(context.gang_scheduler)
    if scheduler and scheduler.kind == "volcano" and step.queue and isinstance(step.runtime, RankRuntime):
        yield Fault(
            "queue", f"{step.queue!r} is Kueue's, and the context's gangs are Volcano's: one of them admits a gang"
        )


def pod_labels(gang: Gang) -> dict[str, str]:
    """Return the labels by which the pods of a gang are known to be of its group."""
    scheduler = _scheduler(gang)
    return {_OF_COSCHEDULING: gang.object_name} if scheduler and scheduler.kind == "coscheduling" else {}


def pod_annotations(gang: Gang) -> dict[str, str]:
    """Return the annotations by which they are, and those that tell Kueue how near each other they must be."""
    scheduler, hardware = _scheduler(gang), gang.submission.context.hardware
    if scheduler and scheduler.kind == "volcano":
        return {_OF_VOLCANO: gang.object_name}
    topology = hardware.topology if hardware and gang.runtime.nodes > 1 else None
    if topology is None or not pods.queue_label(gang.submission.context, gang.step):
        return {}
    return {_REQUIRED if topology.required else _PREFERRED: topology.level}


def scheduler_field(gang: Gang) -> dict[str, str]:
    """Return the field by which a pod names its scheduler; none where it is the cluster's own."""
    scheduler = _scheduler(gang)
    return {"schedulerName": scheduler.name} if scheduler else {}


# Who makes the group -------------------------------------------------------------------------


def pod_group(gang: Gang) -> list[Manifest]:
    """Compile the group of a gang whose component makes none; nothing where a context has no gang scheduler."""
    scheduler = _scheduler(gang)
    if scheduler is None:
        return []
    priority = _priority(gang) if scheduler.kind == "volcano" else None
    spec = {
        "minMember": _least(gang),
        "minResources": _least_resources(gang),
        **({"queue": scheduler.queue} if scheduler.queue else {}),
        **({"priorityClassName": priority} if priority else {}),
    }
    metadata = {
        "name": gang.object_name,
        "namespace": gang.submission.namespace,
        "labels": naming.run_labels(gang.submission),
        "annotations": {naming.GANG: gang.attempt},
    }
    resource = _resource(scheduler)
    made = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}
    return [naming.marked(made)]


def scheduling_policy(gang: Gang, *, beside: int = 0) -> dict[str, Any]:
    """Return the policy from which Kubeflow's operators make the group of a job; none where there is no scheduler.

    Args:
        gang: The attempt.
        beside: How many pods of the job are no nodes.
    """
    scheduler = _scheduler(gang)
    if scheduler is None:
        return {}
    priority = _priority(gang)
    policy = {
        "minAvailable": _least(gang) + beside,
        "minResources": _least_resources(gang),
        **({"queue": scheduler.queue} if scheduler.queue else {}),
        **({"priorityClass": priority} if priority else {}),
    }
    return {"schedulingPolicy": policy}


def pod_group_policy(gang: Gang) -> dict[str, Any]:
    """Return the policy from which Trainer makes the group of all pods; none where there is no scheduler."""
    scheduler = _scheduler(gang)
    return {"podGroupPolicy": {scheduler.kind: {}}} if scheduler else {}


def queue_annotations(gang: Gang) -> dict[str, str]:
    """Return the annotation of a runtime from which Trainer takes Volcano's queue."""
    scheduler = _scheduler(gang)
    return {_QUEUE: scheduler.queue} if scheduler and scheduler.queue else {}


# ---------------------------------------------------------------------------------------------


def _scheduler(gang: Gang) -> GangScheduler | None:
    return parse_gang_scheduler(gang.submission.context.gang_scheduler)


def _resource(scheduler: GangScheduler) -> Resource:
    return _VOLCANO if scheduler.kind == "volcano" else _COSCHEDULING


def _least(gang: Gang) -> int:
    """Return how many pods a gang begins with at least."""
    return fewest_nodes(gang.step.runtime) or gang.runtime.nodes


def _least_resources(gang: Gang) -> dict[str, str]:
    """Return what these ask for together, as far as overlays of the kind ``Pod`` say it."""
    asked = requests({"spec": pods.rank_pod(gang.submission, gang.step)})
    return {name: f"{(amount * _least(gang)).normalize():f}" for name, amount in sorted(asked.items())}


def _priority(gang: Gang) -> str:
    return gang.step.priority or gang.submission.context.priority
