"""The Training Operator's ``JAXJob``."""

from __future__ import annotations

from fairlead.targets.orders import Manifest
from fairlead.targets.training import conditions
from fairlead.targets.training.operator_jobs import COMPONENT, ONCE, Framework, operated
from fairlead.targets.training.target import Gang, Resource, Target

_JAX = Framework(Resource("kubeflow.org", "v1", "JAXJob", "jaxjobs"), "jaxReplicaSpecs", "jax", "jaxjob-port")


def render(gang: Gang) -> list[Manifest]:
    """Compile the ranks of an attempt. Raises as `operated` does."""
    return operated(gang, _JAX, {}, **ONCE)


TARGET = Target(
    name="jaxjob",
    component=COMPONENT,
    runtimes=frozenset({"jax"}),
    resources=(_JAX.resource,),
    groups_itself=True,
    render=render,
    state=conditions.state,
)
