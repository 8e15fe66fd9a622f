"""The Training Operator's ``TFJob``: all nodes are workers, and each rank has a ``TF_CONFIG`` of Fairlead's own.

The operator's own one knows one process for each pod.
"""

from __future__ import annotations

from fairlead.targets.orders import Manifest
from fairlead.targets.training import conditions
from fairlead.targets.training.operator_jobs import COMPONENT, ONCE, Framework, operated
from fairlead.targets.training.target import Gang, Resource, Target

_TENSORFLOW = Framework(Resource("kubeflow.org", "v1", "TFJob", "tfjobs"), "tfReplicaSpecs", "tensorflow", "tfjob-port")


def render(gang: Gang) -> list[Manifest]:
    """Compile the ranks of an attempt, which has succeeded when all of them have. Raises as `operated` does."""
    return operated(gang, _TENSORFLOW, {"successPolicy": "AllWorkers"}, **ONCE)


TARGET = Target(
    name="tfjob",
    component=COMPONENT,
    runtimes=frozenset({"tensorflow"}),
    resources=(_TENSORFLOW.resource,),
    groups_itself=True,
    render=render,
    state=conditions.state,
)
