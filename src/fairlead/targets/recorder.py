"""The recorder's ``Deployment``, with its account and its rights: what a cluster is given to watch a context's runs.

Its rights are handed in: who makes the requests says which they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fairlead.specs.contexts import Context
from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest

NAME = "fairlead-recorder"
PORT = 8080
_RBAC = "rbac.authorization.k8s.io"
_RESOURCES = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}

Rules = Sequence[dict[str, Any]]


class Plan(NamedTuple):
    """What a recorder is to be.

    Attributes:
        namespace: Where it runs; and what it watches, unless `everywhere`.
        rules: Its rights there, or in all namespaces.
        cluster_rules: Its rights on what is in no namespace.
        everywhere: Whether it watches all namespaces.
        ends: Whether it ends steps that can't be scheduled.
        nodes: Whether it says why steps wait for nodes and queues.
        replicas: How many there are.
    """

    namespace: str
    rules: Rules
    cluster_rules: Rules = ()
    everywhere: bool = False
    ends: bool = False
    nodes: bool = False
    replicas: int = 1


def recorder(context: Context, plan: Plan) -> list[Manifest]:
    """Compile it.

    Args:
        context: The context whose store it keeps: what other stores have is none of its business.
        plan: What it is to be.
    """
    labels = {**context.labels, "app.kubernetes.io/managed-by": "fairlead", "app.kubernetes.io/name": NAME}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(plan, labels)}
    return [account, *_rights(plan, labels), _deployment(context, plan, labels)]


def _rights(plan: Plan, labels: dict[str, str]) -> list[Manifest]:
    wide = [*plan.rules, *plan.cluster_rules] if plan.everywhere else [*plan.cluster_rules]
    found: list[Manifest] = []
    if not plan.everywhere:
        found += _granted("Role", _metadata(plan, labels), plan.rules, plan.namespace)
    if wide:
        own = naming.dns_label(f"{NAME}-{plan.namespace}")
        found += _granted("ClusterRole", {"name": own, "labels": labels}, wide, plan.namespace)
    return found


def _granted(kind: str, metadata: dict[str, Any], rules: Rules, namespace: str) -> list[Manifest]:
    """Return a role, and its binding to the recorder's account."""
    api = f"{_RBAC}/v1"
    return [
        {"apiVersion": api, "kind": kind, "metadata": metadata, "rules": list(rules)},
        {
            "apiVersion": api,
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": metadata["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
        },
    ]


def _deployment(context: Context, plan: Plan, labels: dict[str, str]) -> Manifest:
    chosen = {"app.kubernetes.io/name": NAME}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(plan, labels),
        "spec": {
            "replicas": plan.replicas,
            "selector": {"matchLabels": chosen},
            "template": {"metadata": {"labels": labels}, "spec": _pod(context, plan)},
        },
    }


def _pod(context: Context, plan: Plan) -> dict[str, Any]:
    arguments = [
        "recorder",
        "run",
        f"--store={context.store}",
        "--everywhere" if plan.everywhere else f"--namespace={plan.namespace}",
        f"--port={PORT}",
        *(["--end-unschedulable"] if plan.ends else []),
        *(["--nodes"] if plan.nodes else []),
    ]
    made = pods.own_pod(context, "fairlead", *arguments, driving=True)
    (container,) = made["containers"]
    probe = {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 15, "failureThreshold": 4}
    container = {
        **container,
        "name": "recorder",
        "resources": _RESOURCES,
        "ports": [{"name": "health", "containerPort": PORT}],
        "livenessProbe": {**probe, "initialDelaySeconds": 30},
        "readinessProbe": probe,
    }
    return {**made, "restartPolicy": "Always", "serviceAccountName": NAME, "containers": [container]}


def _metadata(plan: Plan, labels: dict[str, str]) -> dict[str, Any]:
    return {"name": NAME, "namespace": plan.namespace, "labels": labels}
