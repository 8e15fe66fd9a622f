"""Steps that ask a cluster for something, and clusters that have little."""

from __future__ import annotations

from typing import Any

from fairlead.insight.planning.asked import Asked, asked
from fairlead.insight.planning.documents import Reason
from fairlead.insight.planning.facts import Facts
from fairlead.insight.planning.plans import judge
from fairlead.snapshots.snapshot import Meta, Snapshot
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.steps import FunctionStep, Step
from insight.pictures import NAMESPACE, node, thing

READ = frozenset({
    "Node", "Pod", "Namespace", "ServiceAccount", "Secret", "ConfigMap", "PriorityClass", "WorkloadPriorityClass", "PersistentVolumeClaim",
    "StorageClass", "ResourceQuota", "LimitRange", "LocalQueue", "ClusterQueue", "ResourceFlavor", "Cohort",
    "Workload", "DeviceClass", "ResourceSlice", "ResourceClaim", "ResourceClaimTemplate",
})  # fmt: skip
ACCOUNT = thing("ServiceAccount", "default")
BIG = node("n1", cpu="64", memory="256Gi", pods="110")


def context(**fields: Any) -> Context:
    return Context(name="lab", store="s3://b/p", image="i", worker_image="w", namespace=NAMESPACE, **fields)


def fit(**fields: Any) -> FunctionStep:
    return FunctionStep(name="fit", function="m:fit", **fields)


def asks(step: Step, *, count: int | None = None, **fields: Any) -> list[Asked]:
    """Return what a flow of one step asks for; mapped, where `count` is given."""
    one = Node(step=step.name) if count is None else Node(step=step.name, each=("x",), count=count)
    graph = Graph(flow="f", steps={step.name: step}, nodes=(one,))
    chosen = context(**fields)
    submission = Submission(run="00000000-000000-00000", flow="f", context=chosen, namespace=NAMESPACE)
    return asked(graph, submission)


def facts(*objects: dict[str, Any], unread: frozenset[str] = frozenset()) -> Facts:
    """Return a cluster with an account and nothing else but some objects; of some kinds nothing could be read."""
    return Facts(Snapshot(Meta(), (ACCOUNT, *objects)), NAMESPACE, READ - unread)


def against(found: list[Asked], cluster: Facts) -> list[Reason]:
    """Return what is against the step of a flow that has one."""
    return list(judge(found, cluster)[0].reasons)


def ids(found: list[Asked], cluster: Facts) -> dict[str, str]:
    """Return what is against it by id, with what that makes of it."""
    return {each.id: each.verdict for each in against(found, cluster)}


def cluster_wide(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """Return an object of a kind that has no namespaces."""
    found = thing(kind, name, **fields)
    found["metadata"]["namespace"] = ""
    return found
