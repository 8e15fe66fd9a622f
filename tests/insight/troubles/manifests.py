"""What troubles are made of: objects as small as they may be, and what is done to them.

In any text of an object ``$NS`` stands for its namespace, whose name those objects bear that have none, ``$IMAGE`` for
an image with Python, ``$REGISTRY`` for a registry on this machine (`insight.registry`), and ``$NODE0`` and so on for the
simulated nodes that a trouble asks for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Object = dict[str, Any]
SMALL = {"requests": {"cpu": "1m", "memory": "1Mi"}}


class Step(NamedTuple):
    """Something that is done to a cluster: arguments of kubectl, and the objects that it is given."""

    arguments: tuple[str, ...]
    objects: tuple[Object, ...] = ()


class Trouble(NamedTuple):
    """How a cause is made to happen, and what ends it.

    Attributes:
        cause: What somebody who knows clusters well would call it: the id of the answer's first cause.
        subject: The workload that is asked about: ``job/j``.
        objects: What makes it happen.
        state: How the workload is then.
        variant: Another way to the same cause.
        then: What is done once the objects are there.
        nodes: What the simulated nodes have that it needs, one mapping a node.
        remedy: What the answer's remedy comes to; the workload runs after it.
        also: Other causes that may be seen on the way.
        patience_s: How long it may take until the answer is right, in seconds.
    """

    cause: str
    subject: str
    objects: tuple[Object, ...]
    state: str = "pending"
    variant: str = ""
    then: tuple[Step, ...] = ()
    nodes: tuple[dict[str, str], ...] = ()
    remedy: tuple[Step, ...] = ()
    also: tuple[str, ...] = ()
    patience_s: float = 150.0

    @property
    def name(self) -> str:
        """The name of it, and of its namespace."""
        return f"{self.cause}-{self.variant}" if self.variant else self.cause


def apply(*objects: Object) -> Step:
    """Create objects, or change them."""
    return Step(("apply", "--server-side", "--force-conflicts", "--filename=-"), objects)


def replace(*objects: Object) -> Step:
    """Remove objects at once and create them anew: for fields that can't be changed."""
    return Step(("replace", "--force", "--grace-period=0", "--timeout=60s", "--filename=-"), objects)


def delete(*names: str, options: tuple[str, ...] = ("--grace-period=1",)) -> Step:
    """Remove objects, each ``KIND/NAME``, and not wait for it."""
    return Step(("delete", "--wait=false", *options, *names))


def patch(name: str, change: str, *options: str) -> Step:
    """Change an object by a merge patch."""
    return Step(("patch", name, "--type=merge", f"--patch={change}", *options))


def thing(kind: str, name: str, version: str = "v1", **fields: Any) -> Object:
    """Return an object."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "$NS"}, **fields}


def shared(kind: str, name: str, version: str, **fields: Any) -> Object:
    """Return an object that no namespace has."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}


def container(script: str = "exec sleep 600", **fields: Any) -> Object:
    """Return a container that runs a script of the shell; of Python where it begins with a line ``#python``."""
    python = script.startswith("#python")
    command = ["python3", "-c", script] if python else ["sh", "-c", script]
    return {"name": "main", "image": "$IMAGE", "command": command, "resources": SMALL, **fields}


def spec(script: str = "exec sleep 600", *, main: Object | None = None, **fields: Any) -> Object:
    """Return a pod's spec."""
    return {"terminationGracePeriodSeconds": 1, "containers": [main or container(script)], **fields}


def pod(
    script: str = "exec sleep 600", *, name: str = "p", labels: dict[str, str] | None = None, **fields: Any
) -> Object:
    """Return a pod."""
    found = thing("Pod", name, spec=spec(script, **fields))
    found["metadata"]["labels"] = labels or {}
    return found


def once(script: str, **fields: Any) -> Object:
    """Return a pod that is not started again."""
    return pod(script, restartPolicy="Never", **fields)


def job(script: str = "exec sleep 600", *, name: str = "j", labels: dict[str, str] | None = None, retries: int = 0,
        job: Object | None = None, **fields: Any) -> Object:  # fmt: skip
    """Return a Job; `fields` are those of its pods' spec, `job` those of its own."""
    template = {"spec": {"restartPolicy": "Never", **spec(script, **fields)}}
    found = thing("Job", name, "batch/v1", spec={"backoffLimit": retries, "template": template, **(job or {})})
    found["metadata"]["labels"] = labels or {}
    return found


def deployment(script: str = "exec sleep 600", *, replicas: int = 1, **fields: Any) -> Object:
    """Return a Deployment."""
    template = {"metadata": {"labels": {"app": "d"}}, "spec": spec(script, **fields)}
    of = {"replicas": replicas, "selector": {"matchLabels": {"app": "d"}}, "template": template}
    return thing("Deployment", "d", "apps/v1", spec=of)


def wants(**resources: str) -> Object:
    """Return a container that asks for resources; ``__`` in a name stands for what Python's names can't have."""
    named = {name.replace("__", "."): value for name, value in resources.items()}
    return container(resources={"requests": named})


def gpus(resource: str, count: int) -> Object:
    """Return a container that asks for devices."""
    return container(resources={"limits": {resource: str(count)}})


def simulated(**fields: Any) -> Object:
    """Return the fields of a pod's spec that bring it to the simulated nodes of its trouble."""
    tolerations = [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}, *fields.pop("tolerations", ())]
    return {"nodeSelector": {"why": "$NS"}, "tolerations": tolerations, **fields}
