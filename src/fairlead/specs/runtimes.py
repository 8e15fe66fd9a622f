"""How the processes of a step are arranged: one, ranks on nodes, or a cluster of a framework."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from fairlead.errors import Fault
from fairlead.specs.resources import Resources, resource_faults


class Role(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One role of a runtime (driver, executor, head, worker, chief, ps, launcher)."""

    count: int = 1
    resources: Resources = Resources()


class _Runtime(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind"
):
    roles: dict[str, Role] = {}

    def resources_of(self, role: str, otherwise: Resources) -> Resources:
        """Return what each node of a role gets: its own resources, or the step's."""
        own = self.roles.get(role)
        return otherwise if own is None else own.resources


class Single(_Runtime, frozen=True, kw_only=True, tag="single"):
    """One process, the default."""


class Standing(_Runtime, frozen=True, kw_only=True, tag="standing"):
    """One process, which sends work into a cluster of a framework that somebody keeps and others share.

    Attributes:
        framework: Whose cluster it is.
        cluster: Its name on a cluster of Kubernetes; `NAMESPACE/NAME` where it is not in the namespace of the step.
    """

    framework: Literal["ray", "dask"]
    cluster: str

    @property
    def variable(self) -> str:
        """The environment variable by which the framework finds a cluster."""
        return "RAY_ADDRESS" if self.framework == "ray" else "DASK_SCHEDULER_ADDRESS"


class _Ranks(_Runtime, frozen=True, kw_only=True):
    nodes: int = 1
    processes_per_node: int = 1

    @property
    def world_size(self) -> int:
        """The number of ranks of the gang."""
        return self.nodes * self.processes_per_node


class Torch(_Ranks, frozen=True, kw_only=True, tag="torch"):
    """PyTorch ranks with torchrun's environment; `nodes_min` makes the gang elastic."""

    nodes_min: int | None = None


class Jax(_Ranks, frozen=True, kw_only=True, tag="jax"):
    """JAX processes, joined by ``jax.distributed``."""


class TensorFlow(_Ranks, frozen=True, kw_only=True, tag="tensorflow"):
    """TensorFlow workers, joined by ``TF_CONFIG``."""


class Mpi(_Ranks, frozen=True, kw_only=True, tag="mpi"):
    """MPI ranks."""


class XGBoost(_Ranks, frozen=True, kw_only=True, tag="xgboost"):
    """XGBoost workers, joined over a tracker that rank 0 starts."""


class Ray(_Runtime, frozen=True, kw_only=True, tag="ray"):
    """A Ray cluster for the duration of the step, which runs on its head."""

    workers: int = 1

    @property
    def nodes_by_role(self) -> dict[str, int]:
        """How many nodes there are of each role."""
        return {"head": 1, "worker": self.workers}


class Spark(_Runtime, frozen=True, kw_only=True, tag="spark"):
    """A Spark application: the step is its driver."""

    executors: int = 1

    @property
    def nodes_by_role(self) -> dict[str, int]:
        """How many nodes there are of each role."""
        return {"driver": 1, "executor": self.executors}


class Dask(_Runtime, frozen=True, kw_only=True, tag="dask"):
    """A Dask cluster for the duration of the step, which is its client."""

    workers: int = 1

    @property
    def nodes_by_role(self) -> dict[str, int]:
        """How many nodes there are of each role."""
        return {"client": 1, "scheduler": 1, "worker": self.workers}


RankRuntime = Torch | Jax | TensorFlow | Mpi | XGBoost
"""Every process runs the step."""
ClusterRuntime = Ray | Spark | Dask
"""One process runs the step, and has the others work for it."""
GangRuntime = RankRuntime | ClusterRuntime
"""On a cluster the step has several pods, which start and end together."""
Runtime = Single | Standing | GangRuntime

ROLES: Mapping[str, frozenset[str]] = {
    "single": frozenset(),
    "standing": frozenset(),
    "torch": frozenset({"worker", "master"}),
    "jax": frozenset({"worker"}),
    "tensorflow": frozenset({"chief", "worker", "ps", "evaluator"}),
    "mpi": frozenset({"launcher", "worker"}),
    "xgboost": frozenset({"master", "worker"}),
    "ray": frozenset({"head", "worker"}),
    "spark": frozenset({"driver", "executor"}),
    "dask": frozenset({"client", "scheduler", "worker"}),
}
"""The roles that each kind of runtime knows."""

CLUSTER_NAME_MAX = 53
"""The longest name of a standing cluster: the operators of Ray and of Dask make those of pods and Services from it."""
_CLUSTER = re.compile(
    rf"([a-z0-9]([-a-z0-9]{{0,61}}[a-z0-9])?/)?[a-z]([-a-z0-9]{{0,{CLUSTER_NAME_MAX - 2}}}[a-z0-9])?", re.ASCII
)


def kind_of(runtime: Runtime) -> str:
    """Return the word a runtime is written with: ``"torch"``."""
    return str(type(runtime).__struct_config__.tag)


def node_count(runtime: Runtime) -> int:
    """Return how many nodes a step has: those of its gang, or the one that it runs on."""
    if isinstance(runtime, RankRuntime):
        return runtime.nodes
    return sum(runtime.nodes_by_role.values()) if isinstance(runtime, ClusterRuntime) else 1


def fewest_nodes(runtime: Runtime) -> int | None:
    """Return the fewest nodes that an elastic gang goes on with; None where it has all of them, or does not run."""
    return runtime.nodes_min if isinstance(runtime, Torch) else None


def runtime_faults(runtime: Runtime) -> Iterator[Fault]:
    """Yield what is wrong with a runtime, with paths below it."""
    counts = ("nodes", "processes_per_node", "workers", "executors")
    for field in counts:
        value = getattr(runtime, field, 1)
        if value < 1:
            yield Fault(field, f"must be at least 1, got {value}")
    if isinstance(runtime, Torch) and runtime.nodes_min is not None and not 1 <= runtime.nodes_min <= runtime.nodes:
        yield Fault("nodes_min", f"must lie between 1 and nodes ({runtime.nodes}), got {runtime.nodes_min}")
    if isinstance(runtime, Standing) and not _CLUSTER.fullmatch(runtime.cluster):
        form = f"lower-case letters, digits and hyphens, a letter first, {CLUSTER_NAME_MAX} at most; or NAMESPACE/NAME"
        yield Fault("cluster", f"{runtime.cluster!r} can't be the name of one: {form}")
    kind = kind_of(runtime)
    for name, role in runtime.roles.items():
        if name not in ROLES[kind]:
            known = ", ".join(sorted(ROLES[kind])) or "none"
            yield Fault(f"roles.{name}", f"the runtime {kind!r} has no such role; its roles: {known}")
        if role.count < 1:
            yield Fault(f"roles.{name}.count", f"must be at least 1, got {role.count}")
        elif role.count > 1 and isinstance(runtime, ClusterRuntime):
            yield Fault(f"roles.{name}.count", f"can't be had: how many there are, the runtime {kind!r} says itself")
        for fault in resource_faults(role.resources):
            yield Fault(f"roles.{name}.resources.{fault.path}", fault.message)
