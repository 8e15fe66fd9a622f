"""The pods of one instance of a step, or of one rank of a gang, as they are now."""

from __future__ import annotations

from typing import Any, NamedTuple

from fairlead.kube.client import Client
from fairlead.kube.resources import POD
from fairlead.kube.shapes import Lean
from fairlead.specs.graphs import Graph
from fairlead.store.layout import parse_task
from fairlead.targets import naming
from fairlead.targets.podstatus import pod_status


class Part(NamedTuple):
    """What of a run is looked for: an instance, or for a gang the pod that a rank runs in.

    Attributes:
        node: For a gang: the number of the node; None for a step without ranks.
    """

    step: str
    index: int  # type: ignore[assignment]  # a field, not the method of tuples
    node: int | None = None


class Pods:
    """The pods of a run, listed once.

    Args:
        client: The cluster.
        namespace: Where the run is.
        run: The run's id.
        graph: Its graph.
    """

    def __init__(self, client: Client, namespace: str, run: str, graph: Graph) -> None:
        listed = client.list(POD, namespace=namespace, labels={naming.RUN: run}, shape=Lean).items
        self._pods: dict[Part, list[dict[str, Any]]] = {}
        for pod in sorted(listed, key=lambda pod: str(pod["metadata"].get("creationTimestamp", ""))):
            part = _part_of(pod, graph)
            if part is not None:
                self._pods.setdefault(part, []).append(pod)

    def of(self, part: Part) -> list[dict[str, Any]]:
        """Return the pods that run something, or ran it, the newest last."""
        return self._pods.get(part, [])

    def running(self, part: Part) -> dict[str, Any] | None:
        """Return the pod in which it runs now, or None."""
        return next((pod for pod in reversed(self.of(part)) if is_running(pod)), None)


def _part_of(pod: dict[str, Any], graph: Graph) -> Part | None:
    metadata = pod["metadata"]
    gang = metadata.get("annotations", {}).get(naming.GANG)
    if gang is not None:
        task, node = parse_task(gang), naming.gang_node(pod)
        return None if node is None else Part(task.step, task.index, node)
    instance = naming.instance_of(pod, graph)
    return None if instance is None else Part(*instance)


def is_running(pod: dict[str, Any]) -> bool:
    """Say whether a pod's step runs, and is not about to be ended."""
    return pod_status(pod).status == "running" and "deletionTimestamp" not in pod["metadata"]
