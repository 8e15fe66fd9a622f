"""KubeRay's ``RayCluster``: what a RayJob has for one attempt, and what stands by itself for steps that share it.

Source: https://docs.ray.io/en/latest/cluster/kubernetes/getting-started/raycluster-quick-start.html
"""

from __future__ import annotations

from collections.abc import Callable

from fairlead.specs.runtimes import Ray
from fairlead.specs.steps import Step
from fairlead.targets import pods
from fairlead.targets.orders import Manifest
from fairlead.targets.training import nodes
from fairlead.targets.training.standing_cluster import Declared, made
from fairlead.targets.training.target import Resource

CLUSTER = Resource("ray.io", "v1", "RayCluster", "rayclusters")
_AUTH = "RAY_AUTH_MODE"


def render(declared: Declared) -> Manifest:
    """Compile a cluster that stands."""
    return made(declared, CLUSTER, spec_of(declared.step, declared.node))


def spec_of(step: Step, node: Callable[[str], Manifest], **started: str) -> Manifest:
    """Return what a cluster is for a step.

    Args:
        step: The step.
        node: Returns the template of a node of a role.
        **started: Further parameters with which Ray is started on the head.
    """
    assert isinstance(step.runtime, Ray)
    workers = {
        "groupName": "worker",
        "replicas": step.runtime.workers,
        "minReplicas": step.runtime.workers,
        "maxReplicas": step.runtime.workers,
        "rayStartParams": {},
        "template": _open(node("worker")),
    }
    parameters = {"dashboard-host": "0.0.0.0", **started}  # in a pod
    head = {"rayStartParams": parameters, "template": _open(node("head"))}
    return {"headGroupSpec": head, "workerGroupSpecs": [workers]}


def _open(template: Manifest) -> Manifest:
    """Return a node without a token, but where its definition gives one: KubeRay can't give one to every Ray.

    Nobody but its namespace reaches it.
    """
    env = pods.main_of(template["spec"])["env"]
    if any(each["name"] == _AUTH for each in env):
        return template
    return nodes.with_main(template, env=[*env, {"name": _AUTH, "value": "disabled"}])
