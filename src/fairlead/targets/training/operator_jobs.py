"""What the kinds of the Kubeflow Training Operator share: one role, ``Worker``, with a pod for each node of a gang.

There is no ``Master``: where a PyTorchJob has one, the operator gives its workers an init container of an image that a
closed cluster does not have, and without what the ``restricted`` profile asks for. The operator makes a headless
Service for each pod, of its name, and puts a label on the pod that holds its index.

Source: https://www.kubeflow.org/docs/components/trainer/legacy-v1/
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fairlead.targets import naming
from fairlead.targets.orders import Manifest
from fairlead.targets.overlays import overlaid
from fairlead.targets.training.gang_scheduling import scheduling_policy
from fairlead.targets.training.indexed_job import KEPT_S
from fairlead.targets.training.members import MASTER_PORT, REPLICA_INDEX, Places, labels, member, metadata, numbered
from fairlead.targets.training.target import Gang, Resource

COMPONENT = "the Kubeflow Training Operator (v1)"

OPENED = frozenset({"metadata.annotations", "metadata.labels", "spec.runPolicy.ttlSecondsAfterFinished"})
"""What overlays can change of these kinds, beside the pods of their workers."""


class Framework(NamedTuple):
    """The words that the operator has for a framework.

    Attributes:
        resource: The kind.
        replicas: The field of its spec that holds the roles.
        container: The name that its webhook wants the container to have.
        port: The name of the port at which its ranks meet.
    """

    resource: Resource
    replicas: str
    container: str
    port: str


def operated(
    gang: Gang, framework: Framework, fields: dict[str, Any], *, restart: str = "Never", **policy: Any
) -> list[Manifest]:
    """Compile the ranks of an attempt.

    Args:
        gang: The attempt.
        framework: What it is called.
        fields: Fields of the spec that this kind alone has.
        restart: When the operator starts a pod anew.
        **policy: What its policy of running is beside the time that it is kept.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster.
    """
    made: Manifest = {
        "apiVersion": framework.resource.api_version,
        "kind": framework.resource.kind,
        "metadata": metadata(gang, labels(gang)),
        "spec": {
            **fields,
            "runPolicy": {**policy, **scheduling_policy(gang), "ttlSecondsAfterFinished": KEPT_S},
            framework.replicas: {
                "Worker": {
                    "replicas": gang.runtime.nodes,
                    "restartPolicy": restart,
                    "template": _template(gang, framework),
                }
            },
        },
    }
    return [naming.marked(overlaid(gang.step, made, ("spec", framework.replicas, "Worker", "template"), OPENED))]


ONCE: dict[str, Any] = {"backoffLimit": 0, "cleanPodPolicy": "Running"}
"""The policy of a gang that ends with the first of its pods that fails: those that still run are removed."""


def _template(gang: Gang, framework: Framework) -> Manifest:
    places = Places(REPLICA_INDEX, f"{gang.object_name}-worker-{{}}")
    port = {"name": framework.port, "containerPort": MASTER_PORT}
    return numbered(member(gang, places, container=framework.container), framework.container, ports=(port,))
