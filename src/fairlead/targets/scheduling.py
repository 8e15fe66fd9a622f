"""Where a step's pod may go: accelerators' node labels and taints, capacity that can be reclaimed, priority.

What a context says of its hardware goes before what clouds do by custom.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/, and for each label the page of who sets it.
"""

from __future__ import annotations

from typing import Any

from fairlead.specs.contexts import Context
from fairlead.specs.hardware import Spot, Toleration
from fairlead.specs.steps import Step
from fairlead.targets.hardware import node_labels, node_tolerations

_TOPOLOGY = "cloud.google.com/gke-tpu-topology"
"""https://cloud.google.com/kubernetes-engine/docs/how-to/tpus"""

SPOT = Spot(
    labels={
        "cloud.google.com/gke-spot": "true",
        "kubernetes.azure.com/scalesetpriority": "spot",
        "eks.amazonaws.com/capacityType": "SPOT",
        "karpenter.sh/capacity-type": "spot",
        "machine.openshift.io/interruptible-instance": "",
    },
    tolerations=(
        Toleration(key="cloud.google.com/gke-spot", value="true", effect="NoSchedule"),
        Toleration(key="kubernetes.azure.com/scalesetpriority", value="spot", effect="NoSchedule"),
    ),
)
"""Of nodes that may be reclaimed. Only GKE and AKS taint them.

Source: https://cloud.google.com/kubernetes-engine/docs/concepts/spot-vms, https://learn.microsoft.com/azure/aks/spot-node-pool,
https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html, https://karpenter.sh/docs/concepts/scheduling/,
https://github.com/openshift/enhancements/blob/master/enhancements/machine-api/spot-instances.md
"""


def scheduling(context: Context, step: Step) -> dict[str, Any]:
    """Return the fields of a pod's spec that say where it may go; those that say nothing are left out."""
    priority = step.priority or context.priority
    selector, affinity = _selector(step), _affinity(context, step)
    tolerated = (*node_tolerations(context, step), *_spot(context, step).tolerations)
    tolerations = [_toleration(each) for each in tolerated]
    return {
        **({"nodeSelector": selector} if selector else {}),
        **({"tolerations": tolerations} if tolerations else {}),
        **({"affinity": {"nodeAffinity": affinity}} if affinity else {}),
        **({"priorityClassName": priority} if priority else {}),
    }


def _selector(step: Step) -> dict[str, str]:
    accelerator = step.resources.accelerator
    if accelerator is None:
        return {}
    topology = {_TOPOLOGY: accelerator.topology} if accelerator.topology else {}
    return {**accelerator.model.node_labels, **topology}


def _toleration(each: Toleration) -> dict[str, Any]:
    how = {"operator": "Equal", "value": each.value} if each.value else {"operator": "Exists"}
    return {"key": each.key, **how, **({"effect": each.effect} if each.effect else {})}


def _spot(context: Context, step: Step) -> Spot:
    """Return how nodes that may be reclaimed are marked, for a step for which they will do."""
    if not step.spot:
        return Spot()
    return (context.hardware and context.hardware.spot) or SPOT


def _affinity(context: Context, step: Step) -> dict[str, Any]:
    """Return which nodes a step must have for its accelerators, and that those are preferred which may be reclaimed.

    They will do, and cost less, of whichever cloud they are.
    """
    required = [_in(key, *values) for key, values in node_labels(context, step).items()]
    preferred = [
        {"weight": 100, "preference": {"matchExpressions": [_in(key, value)]}}
        for key, value in _spot(context, step).labels.items()
    ]
    terms = {"nodeSelectorTerms": [{"matchExpressions": required}]}
    return {
        **({"requiredDuringSchedulingIgnoredDuringExecution": terms} if required else {}),
        **({"preferredDuringSchedulingIgnoredDuringExecution": preferred} if preferred else {}),
    }


def _in(key: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}
