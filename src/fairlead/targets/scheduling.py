"""Where a step's pod may go: accelerators' node labels and taints, capacity that can be reclaimed, priority.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/, and for each label the page of who sets it.
"""

from __future__ import annotations

from typing import Any

from fairlead.specs.contexts import Context
from fairlead.specs.steps import Step

_TOPOLOGY = "cloud.google.com/gke-tpu-topology"
"""https://cloud.google.com/kubernetes-engine/docs/how-to/tpus"""

_SPOT_TAINTS = {"cloud.google.com/gke-spot": "true", "kubernetes.azure.com/scalesetpriority": "spot"}
"""Of nodes that may be reclaimed; other clouds' have none.

Source: https://cloud.google.com/kubernetes-engine/docs/concepts/spot-vms, https://learn.microsoft.com/azure/aks/spot-node-pool
"""
_SPOT_LABELS = {**_SPOT_TAINTS, "eks.amazonaws.com/capacityType": "SPOT", "karpenter.sh/capacity-type": "spot"}
"""https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html, https://karpenter.sh/docs/concepts/scheduling/"""


def scheduling(context: Context, step: Step) -> dict[str, Any]:
    """Return the fields of a pod's spec that say where it may go; those that say nothing are left out."""
    priority = step.priority or context.priority
    selector, tolerations = _selector(step), [*_of_accelerators(step), *_of_spot(step)]
    return {
        **({"nodeSelector": selector} if selector else {}),
        **({"tolerations": tolerations} if tolerations else {}),
        **({"affinity": {"nodeAffinity": _preferred()}} if step.spot else {}),
        **({"priorityClassName": priority} if priority else {}),
    }


def _selector(step: Step) -> dict[str, str]:
    accelerator = step.resources.accelerator
    if accelerator is None:
        return {}
    topology = {_TOPOLOGY: accelerator.topology} if accelerator.topology else {}
    return {**accelerator.model.node_labels, **topology}


def _of_accelerators(step: Step) -> list[dict[str, Any]]:
    """Return the toleration of the taint that keeps others off such nodes, by custom the resource's name."""
    accelerator = step.resources.accelerator
    if accelerator is None:
        return []
    return [{"key": accelerator.model.resource, "operator": "Exists", "effect": "NoSchedule"}]


def _of_spot(step: Step) -> list[dict[str, Any]]:
    return [
        {"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"}
        for key, value in (_SPOT_TAINTS.items() if step.spot else ())
    ]


def _preferred() -> dict[str, Any]:
    """Return that nodes which may be reclaimed are preferred, of whichever cloud: they will do, and cost less."""
    terms = [
        {"weight": 100, "preference": {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}}
        for key, value in _SPOT_LABELS.items()
    ]
    return {"preferredDuringSchedulingIgnoredDuringExecution": terms}
