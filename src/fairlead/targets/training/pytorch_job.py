"""The Training Operator's ``PyTorchJob``, which can be elastic: torchrun's agents then say which rank is which.

An elastic gang goes on without nodes that it loses. The operator starts a pod anew whose worker was killed or evicted,
and ends the job where one gives up; see `fairlead.engines.kubernetes.inside.elastic`.
"""

from __future__ import annotations

from typing import Any

from fairlead.specs.runtimes import Torch, fewest_nodes
from fairlead.targets.orders import Manifest
from fairlead.targets.training import conditions
from fairlead.targets.training.operator_jobs import COMPONENT, ONCE, Framework, operated
from fairlead.targets.training.target import Gang, Resource, Target

_TORCH = Framework(
    Resource("kubeflow.org", "v1", "PyTorchJob", "pytorchjobs"), "pytorchReplicaSpecs", "pytorch", "pytorchjob-port"
)


def render(gang: Gang) -> list[Manifest]:
    """Compile the ranks of an attempt. Raises as `operated` does."""
    assert isinstance(gang.runtime, Torch)
    fields: dict[str, Any] = {"nprocPerNode": str(gang.runtime.processes_per_node)}
    fewest = fewest_nodes(gang.step.runtime)
    if fewest is None:
        return operated(gang, _TORCH, fields, **ONCE)
    elastic = {
        "rdzvBackend": "c10d",
        "minReplicas": fewest,
        "maxReplicas": gang.runtime.nodes,
        "maxRestarts": gang.step.retries.infrastructure,
    }
    # Without a limit of failures: a pod that is lost is one. The first agent that ends must not take the others away.
    return operated(gang, _TORCH, {**fields, "elasticPolicy": elastic}, restart="ExitCode", cleanPodPolicy="None")


TARGET = Target(
    name="pytorchjob",
    component=COMPONENT,
    runtimes=frozenset({"torch"}),
    resources=(_TORCH.resource,),
    faults=lambda _: (),
    groups_itself=True,
    render=render,
    state=conditions.state,
)
