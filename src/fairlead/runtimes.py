"""How the processes of a step are arranged: ``@step(runtime=runtimes.torch(nodes=4))``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fairlead.errors import UsageError, nearest
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import (
    ROLES,
    Dask,
    Jax,
    Mpi,
    Ray,
    Role,
    Single,
    Spark,
    Standing,
    TensorFlow,
    Torch,
    XGBoost,
)


def single() -> Single:
    """One process, the default."""
    return Single()


def torch(
    nodes: int = 1,
    processes_per_node: int = 1,
    *,
    nodes_min: int | None = None,
    roles: Mapping[str, Role] | None = None,
) -> Torch:
    """PyTorch ranks with torchrun's environment.

    Args:
        nodes: Nodes of the gang.
        processes_per_node: Ranks on each, one per GPU as a rule.
        nodes_min: The fewest nodes to go on with, which makes the gang elastic.
        roles: Roles with resources of their own.
    """
    return Torch(nodes=nodes, processes_per_node=processes_per_node, nodes_min=nodes_min, roles=dict(roles or {}))


def jax(nodes: int = 1, processes_per_node: int = 1, *, roles: Mapping[str, Role] | None = None) -> Jax:
    """JAX processes; join them with ``jax.distributed.initialize`` from the same environment variables."""
    return Jax(nodes=nodes, processes_per_node=processes_per_node, roles=dict(roles or {}))


def tensorflow(nodes: int = 1, processes_per_node: int = 1, *, roles: Mapping[str, Role] | None = None) -> TensorFlow:
    """TensorFlow workers, with ``TF_CONFIG`` beside torchrun's environment."""
    return TensorFlow(nodes=nodes, processes_per_node=processes_per_node, roles=dict(roles or {}))


def mpi(nodes: int = 1, processes_per_node: int = 1, *, roles: Mapping[str, Role] | None = None) -> Mpi:
    """MPI ranks."""
    return Mpi(nodes=nodes, processes_per_node=processes_per_node, roles=dict(roles or {}))


def xgboost(nodes: int = 1, processes_per_node: int = 1, *, roles: Mapping[str, Role] | None = None) -> XGBoost:
    """XGBoost workers, with the ``DMLC_`` variables of the tracker, which rank 0 starts, beside torchrun's."""
    return XGBoost(nodes=nodes, processes_per_node=processes_per_node, roles=dict(roles or {}))


def ray(
    workers: int | None = None, *, cluster: str | None = None, roles: Mapping[str, Role] | None = None
) -> Ray | Standing:
    """A Ray cluster for the duration of the step, or one that stands.

    Args:
        workers: Workers of the step's own cluster; 1 where it is not given.
        cluster: The name of a RayCluster that others share, into which the step sends its work instead:
            ``shared``, or ``NAMESPACE/NAME``.
        roles: Roles of its own cluster, with resources of their own.

    Raises:
        UsageError: A cluster that stands is asked for, and workers or roles as only its own could have.
    """
    if cluster is not None:
        return _standing("ray", cluster, workers, roles)
    return Ray(workers=1 if workers is None else workers, roles=dict(roles or {}))


def spark(executors: int = 1, *, roles: Mapping[str, Role] | None = None) -> Spark:
    """A Spark application whose driver is the step."""
    return Spark(executors=executors, roles=dict(roles or {}))


def dask(
    workers: int | None = None, *, cluster: str | None = None, roles: Mapping[str, Role] | None = None
) -> Dask | Standing:
    """A Dask cluster for the duration of the step, or one that stands. As `ray`, with a DaskCluster."""
    if cluster is not None:
        return _standing("dask", cluster, workers, roles)
    return Dask(workers=1 if workers is None else workers, roles=dict(roles or {}))


def _standing(
    framework: Literal["ray", "dask"], cluster: str, workers: int | None, roles: Mapping[str, Role] | None
) -> Standing:
    said = [name for name, value in (("workers", workers), ("roles", roles)) if value is not None]
    if said:
        raise UsageError(
            f"a step can't have {' and '.join(said)} of its own in a cluster that stands",
            where=f"runtimes.{framework}(cluster={cluster!r})",
            why="who keeps that cluster says how large it is",
            next=f"leave {' and '.join(said)} away, or cluster= for a cluster of the step's own",
        )
    return Standing(framework=framework, cluster=cluster)


def role(count: int = 1, *, cpu: str | float | None = None, memory: str | None = None, gpus: str | None = None) -> Role:
    """Describe one role of a runtime, with resources of its own: ``spark(roles={"driver": …})``."""
    return Role(count=count, resources=Resources(cpu=cpu, memory=memory, gpus=gpus))


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise AttributeError(f"there is no runtime {name!r}; {nearest(name, ROLES.keys() & globals().keys())}")
