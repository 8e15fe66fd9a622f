"""What the targets of gangs share: the pod of one node, its place among the others, and labels."""

from __future__ import annotations

from typing import NamedTuple

from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest
from fairlead.targets.training import gang_scheduling
from fairlead.targets.training.target import Gang

MASTER_PORT = 29500
"""The port on which the ranks of a gang meet; torchrun's own default."""

INDEX = "JOB_COMPLETION_INDEX"
"""The variable in which Kubernetes tells the pods of an Indexed Job their index."""


REPLICA_INDEX = "FAIRLEAD_NODE"
"""That in which a pod has the index which an operator of Kubeflow has written on it as a label."""


class Places(NamedTuple):
    """How a pod learns which node of its gang it is, and where the others are.

    Attributes:
        variable: The environment variable that holds its number, from 0.
        hosts: The host of each node, with ``{}`` for its number.
    """

    variable: str
    hosts: str


def member(gang: Gang, places: Places, *more: str, container: str = pods.MAIN, module: str = pods.RANKS) -> Manifest:
    """Return the template of the pod of one node.

    Args:
        gang: The attempt.
        places: How the pods find each other.
        *more: Further arguments of what runs there.
        container: The name that a component wants the container of the step to have.
        module: What runs there.
    """
    arguments = (f"--task={gang.attempt}", f"--node-variable={places.variable}", f"--hosts={places.hosts}", *more)
    made = pods.rank_pod(gang.submission, gang.step, *arguments, module=module)
    return _template(gang, made, container, pods.working_annotations(gang.submission.context, gang.step))


def launcher(gang: Gang, places: Places, *more: str, module: str) -> Manifest:
    """Return the template of the pod that starts the ranks in those of the nodes.

    Args:
        gang: The attempt.
        places: Where those are.
        *more: Further arguments of what runs there.
        module: What runs there.
    """
    arguments = (f"--task={gang.attempt}", f"--hosts={places.hosts}", *more)
    return _template(gang, pods.launcher_pod(gang.submission, gang.step, *arguments, module=module), pods.MAIN, {})


def _template(gang: Gang, spec: pods.PodSpec, container: str, needed: dict[str, str]) -> Manifest:
    named = {} if container == pods.MAIN else {pods.CONTAINER: container}
    return {
        "metadata": {
            "labels": {
                **naming.run_labels(gang.submission),
                **pods.step_labels(gang.step),
                **gang_scheduling.pod_labels(gang),
            },
            "annotations": {
                naming.GANG: gang.attempt,
                **named,
                **needed,
                **gang_scheduling.pod_annotations(gang),
            },
        },
        "spec": {
            **gang_scheduling.scheduler_field(gang),
            **spec,
            "containers": [_renamed(each, container) for each in spec["containers"]],
        },
    }


def _renamed(found: pods.Container, name: str) -> pods.Container:
    return {**found, "name": name} if found["name"] == pods.MAIN else found


def numbered(template: Manifest, container: str, *variables: Manifest, ports: tuple[Manifest, ...] = ()) -> Manifest:
    """Return the template of a node whose index an operator of Kubeflow writes on its pod.

    Args:
        template: As `member` returns it, with `REPLICA_INDEX` for the variable.
        container: The name of the container of the step.
        *variables: Further variables of that container.
        ports: Its ports.
    """
    index = {"name": REPLICA_INDEX, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{naming.REPLICA}']"}}}

    def changed(found: pods.Container) -> pods.Container:
        own = {"ports": [*found.get("ports", ()), *ports]} if ports else {}
        return {**found, "env": [*found["env"], index, *variables], **own}

    spec = template["spec"]
    containers = [changed(each) if each["name"] == container else each for each in spec["containers"]]
    return {**template, "spec": {**spec, "containers": containers}}


def metadata(gang: Gang, marks: dict[str, str]) -> Manifest:
    """Return the metadata of an object that an attempt becomes.

    Args:
        gang: The attempt.
        marks: The object's labels.
    """
    return {
        "name": gang.object_name,
        "namespace": gang.submission.namespace,
        "labels": marks,
        "annotations": {naming.GANG: gang.attempt},
    }


def labels(gang: Gang) -> dict[str, str]:
    """Return the labels of the object that a queue admits as a whole."""
    return {**naming.run_labels(gang.submission), **pods.queue_label(gang.submission.context, gang.step)}
