"""The MPI Operator's ``MPIJob``: a launcher, which is no rank, runs ``mpirun``, and that starts the ranks over SSH.

The operator gives all pods of a job one pair of keys, a name each, and the launcher a file of hosts. What runs in the
pods of the nodes is an SSH server of the step's own image, as the user of the pod, which may be root nowhere.

Sources: https://github.com/kubeflow/mpi-operator/blob/v0.8.0/pkg/apis/kubeflow/v2beta1/types.go,
https://github.com/kubeflow/mpi-operator/blob/v0.8.0/pkg/controller/mpi_job_controller.go
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairlead.errors import Fault
from fairlead.specs.steps import Step
from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest
from fairlead.targets.overlays import overlaid
from fairlead.targets.training import conditions
from fairlead.targets.training.gang_scheduling import scheduling_policy
from fairlead.targets.training.indexed_job import KEPT_S
from fairlead.targets.training.members import REPLICA_INDEX, Places, labels, launcher, member, metadata, numbered
from fairlead.targets.training.operator_jobs import ONCE
from fairlead.targets.training.target import Gang, Resource, Target

LAUNCHER = "fairlead.engines.kubernetes.inside.mpi.launcher"
NODE = "fairlead.engines.kubernetes.inside.mpi.node"
PLACE = "FAIRLEAD_MPI"
"""The variable by which a rank finds the files of its node."""
KEYS = "/fairlead-ssh"
"""Where the operator mounts the keys."""
SSH_PORT = 2222
"""The port of the SSH servers; only root could have them at 22."""

_TAKEN = "ssh-auth"
"""The name that the operator gives the volume with the keys."""
_OPENED = frozenset(
    {"metadata.annotations", "metadata.labels", "spec.mpiImplementation", "spec.runPolicy.ttlSecondsAfterFinished"}
)


def faults(step: Step) -> Iterator[Fault]:
    """Yield what of a step can't be had beside what the operator adds to its pods."""
    for position, volume in enumerate(step.volumes):
        if naming.dns_label(volume.name) == _TAKEN:
            yield Fault(f"volumes[{position}].name", f"{volume.name!r} is taken")
        if volume.path.rstrip("/") == KEYS:
            yield Fault(f"volumes[{position}].path", f"nothing else can be mounted at {volume.path!r}")


def render(gang: Gang) -> list[Manifest]:
    """Compile the ranks of an attempt.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster.
    """
    places = Places(REPLICA_INDEX, f"{gang.object_name}-worker-{{}}.{gang.object_name}")
    reached = (f"--keys={KEYS}", f"--port={SSH_PORT}")
    port = {"name": "ssh", "containerPort": SSH_PORT}
    made: Manifest = {
        "apiVersion": TARGET.awaited.api_version,
        "kind": TARGET.awaited.kind,
        "metadata": metadata(gang, labels(gang)),
        "spec": {
            "slotsPerWorker": gang.runtime.processes_per_node,
            "sshAuthMountPath": KEYS,
            "runPolicy": {**ONCE, "ttlSecondsAfterFinished": KEPT_S, **scheduling_policy(gang, beside=1)},
            "mpiReplicaSpecs": {
                "Launcher": role(1, launcher(gang, places, *reached, module=LAUNCHER)),
                "Worker": role(
                    gang.runtime.nodes,
                    numbered(member(gang, places, *reached, module=NODE), pods.MAIN, ports=(port,)),
                ),
            },
        },
    }
    return [naming.marked(overlaid(gang.step, made, ("spec", "mpiReplicaSpecs", "Worker", "template"), _OPENED))]


def role(replicas: int, template: Manifest) -> dict[str, Any]:
    """Return what a job says of a role, none of whose pods is started anew."""
    return {"replicas": replicas, "restartPolicy": "Never", "template": template}


TARGET = Target(
    name="mpijob",
    component="the MPI Operator 0.8 or newer",
    runtimes=frozenset({"mpi"}),
    resources=(Resource("kubeflow.org", "v2beta1", "MPIJob", "mpijobs"),),
    faults=faults,
    groups_itself=True,
    render=render,
    state=conditions.state,
)
