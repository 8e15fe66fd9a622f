"""The Training Operator's ``MPIJob`` of version 1: ``mpirun`` reaches the nodes by ``kubectl exec``.

It has the name of the MPI Operator's kind, and another version. The operator gives the launcher an init container that
brings ``kubectl``, and an account of its own that may execute commands in the pods of this job's nodes; Pod Security's
``restricted`` profile refuses that container, which says nothing of its privileges. So it is taken only where it is
asked for.

Source: https://github.com/kubeflow/trainer/blob/v1.9.4/pkg/controller.v1/mpi/mpijob_controller.go
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.errors import Fault
from fairlead.specs.steps import Step
from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest
from fairlead.targets.overlays import overlaid
from fairlead.targets.training import conditions
from fairlead.targets.training.gang_scheduling import scheduling_policy
from fairlead.targets.training.indexed_job import KEPT_S
from fairlead.targets.training.members import REPLICA_INDEX, Places, labels, launcher, member, metadata, numbered
from fairlead.targets.training.mpi_job import LAUNCHER, NODE, PLACE, role
from fairlead.targets.training.operator_jobs import COMPONENT, ONCE
from fairlead.targets.training.target import Gang, Resource, Target
from fairlead.targets.volumes import WORK

_OPENED = frozenset({"metadata.annotations", "metadata.labels", "spec.runPolicy.ttlSecondsAfterFinished"})


def faults(step: Step) -> Iterator[Fault]:
    """Yield what of a step no object of this kind has."""
    if step.queue:
        yield Fault("queue", "can't be had: Kueue does not admit this version of the kind")


def render(gang: Gang) -> list[Manifest]:
    """Compile the ranks of an attempt.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster.
    """
    places = Places(REPLICA_INDEX, f"{gang.object_name}-worker-{{}}")  # the pods' names: they have no hosts'
    place = {
        "name": PLACE,
        "value": f"{WORK}/mpi",
    }  # what is executed in a pod has the variables of its container alone
    made: Manifest = {
        "apiVersion": TARGET.awaited.api_version,
        "kind": TARGET.awaited.kind,
        "metadata": metadata(gang, labels(gang)),
        "spec": {
            "slotsPerWorker": gang.runtime.processes_per_node,
            "mainContainer": pods.MAIN,
            "runPolicy": {**ONCE, "ttlSecondsAfterFinished": KEPT_S, **scheduling_policy(gang, beside=1)},
            "mpiReplicaSpecs": {
                "Launcher": role(1, _with_account(launcher(gang, places, module=LAUNCHER))),
                "Worker": role(gang.runtime.nodes, numbered(member(gang, places, module=NODE), pods.MAIN, place)),
            },
        },
    }
    return [naming.marked(overlaid(gang.step, made, ("spec", "mpiReplicaSpecs", "Worker", "template"), _OPENED))]


def _with_account(template: Manifest) -> Manifest:
    """Return a template whose pod has the token of the account that the operator makes for it."""
    spec = {name: value for name, value in template["spec"].items() if name != "serviceAccountName"}
    return {**template, "spec": {**spec, "automountServiceAccountToken": True}}


TARGET = Target(
    name="mpijob-v1",
    component=COMPONENT,
    runtimes=frozenset({"mpi"}),
    resources=(Resource("kubeflow.org", "v1", "MPIJob", "mpijobs"),),
    faults=faults,
    groups_itself=True,
    render=render,
    state=conditions.state,
)
