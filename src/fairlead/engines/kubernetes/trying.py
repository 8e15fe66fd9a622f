"""Opening a store from a pod: whether what runs in the cluster reaches what this machine reaches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from fairlead.insight.planning.refusing import DROPPED
from fairlead.kube.client import Client
from fairlead.kube.resources import JOB, POD
from fairlead.specs.contexts import Context
from fairlead.targets import probe
from fairlead.targets.podstatus import pod_status

PATIENCE_S = 120.0
"""How long the pod may take, its image's pull included."""
_PAUSE_S = 0.5


class Tried(NamedTuple):
    """Whether a pod has opened the store, what it said, and what to do where it has not."""

    done: bool
    said: str
    next: str = "look at the Secret, the image and the network of the namespace"


def try_store(
    client: Client, context: Context, namespace: str, mark: str, *, sleep: Callable[[float], None] = time.sleep
) -> Tried:
    """Run a short job that opens the store, and remove it.

    Args:
        client: The cluster.
        context: The context.
        namespace: Where.
        mark: What tells the job from others: it is in the name.
        sleep: Waits; for tests.

    Raises:
        ClusterError: The job can't be created or read.
    """
    manifest = probe.store_probe(context, namespace, mark)
    until = time.monotonic() + PATIENCE_S
    with _created(client, manifest) as made:
        name = made["metadata"]["name"]
        if len(made["spec"]["template"]["spec"]["volumes"]) < len(manifest["spec"]["template"]["spec"]["volumes"]):
            return Tried(False, DROPPED, f"fairlead context add {context.name} … --delivery copy")
        while time.monotonic() < until:
            pods = client.list(POD, namespace=namespace, labels={"batch.kubernetes.io/job-name": name}).items
            ended = [pod for pod in pods if pod.get("status", {}).get("phase") in ("Succeeded", "Failed")]
            if ended:
                return Tried(ended[0]["status"]["phase"] == "Succeeded", _said(client, ended[0], namespace))
            job = client.get(JOB, name, namespace=namespace)
            for condition in job.get("status", {}).get("conditions", ()):
                if condition["type"] == "Failed" and condition["status"] == "True":
                    return Tried(False, str(condition.get("message", "")))
            sleep(_PAUSE_S)
        waiting = next((pod_status(pod) for pod in pods), None)
        why = f"{waiting.status}: {waiting.reason}".rstrip(": ") if waiting else "no pod was made for its job"
        return Tried(False, f"has not ended in {PATIENCE_S:.0f} s; {why}")


@contextmanager
def _created(client: Client, manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    made = client.create(JOB, manifest)
    try:
        yield made
    finally:
        client.delete(JOB, name, namespace=namespace, propagation="Background")


def _said(client: Client, pod: dict[str, Any], namespace: str) -> str:
    with client.logs(pod["metadata"]["name"], namespace=namespace, container="main", tail_lines=5) as stream:
        return stream.read().decode("utf-8", "replace").strip()
