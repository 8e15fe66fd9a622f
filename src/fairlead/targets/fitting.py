"""Whether a pod could ever be on a node that there is, were the node empty: what is certain, and nothing more.

What a node has now and may have no more tomorrow (cordons, conditions) does not count against it, nor do affinities
between pods, volumes or devices that are claimed. An autoscaler may add a node of a kind that there is not yet; whether
that is to be waited for is for the user to say.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from fairlead.quantities import parse_quantity

_TEMPORARY = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""Taints that the cluster itself sets and takes away."""

Pod = Mapping[str, Any]
Node = Mapping[str, Any]


def never_fits(pod: Pod, nodes: Sequence[Node]) -> str:
    """Return in words why a pod fits on none of the nodes; empty where it may, or there is no node to tell by."""
    if not nodes:
        return ""
    asked, reasons = requests(pod), Counter[str]()
    for node in nodes:
        reason = _misfit(pod, asked, node)
        if not reason:
            return ""
        reasons[reason] += 1
    listed = "; ".join(f"{count} of {len(nodes)}: {reason}" for reason, count in reasons.most_common(3))
    return f"it fits on none of the nodes that there are, were they empty ({listed})"


def requests(pod: Pod) -> dict[str, Decimal]:
    """Return what a pod asks for in all: its containers together, or the largest init container, and its overhead."""
    spec = pod.get("spec") or {}
    total: dict[str, Decimal] = {}
    for container in spec.get("containers") or ():
        for name, amount in _asked(container).items():
            total[name] = total.get(name, Decimal(0)) + amount
    for container in spec.get("initContainers") or ():
        for name, amount in _asked(container).items():
            total[name] = max(total.get(name, Decimal(0)), amount)
    for name, amount in (spec.get("overhead") or {}).items():
        total[name] = total.get(name, Decimal(0)) + parse_quantity(amount)
    return total


def _asked(container: Mapping[str, Any]) -> dict[str, Decimal]:
    declared = (container.get("resources") or {}).get("requests") or {}
    return {name: parse_quantity(amount) for name, amount in declared.items()}


def _misfit(pod: Pod, asked: Mapping[str, Decimal], node: Node) -> str:
    """Return why a pod can't be on a node, or nothing."""
    spec, labels = pod.get("spec") or {}, node["metadata"].get("labels") or {}
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    for name, amount in sorted(asked.items()):
        has = parse_quantity(allocatable.get(name, 0))
        if amount > has:
            return f"asks for {_plain(amount)} {name}, and it has {_plain(has)}"
    for name, value in sorted((spec.get("nodeSelector") or {}).items()):
        if labels.get(name) != value:
            return f"has no label {name}={value}"
    if not is_chosen(spec, node):
        return "the pod's node affinity excludes it"
    for taint in (node.get("spec") or {}).get("taints") or ():
        if is_lasting(taint) and not tolerates(spec, taint):
            return f"has the taint {written(taint)}, which the pod does not tolerate"
    return ""


def written(taint: Mapping[str, Any]) -> str:
    """Return a taint as kubectl writes it: ``key=value:NoSchedule``."""
    return f"{taint.get('key')}={taint.get('value', '')}:{taint.get('effect')}"


def is_lasting(taint: Mapping[str, Any]) -> bool:
    """Say whether a taint is somebody's, who means it; the cluster sets and takes away some itself."""
    return not str(taint.get("key")).startswith(_TEMPORARY)


def tolerates(spec: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """Say whether a taint of a node does not keep a pod away.

    Args:
        spec: The pod's spec.
        taint: The taint.
    """
    if taint.get("effect") not in ("NoSchedule", "NoExecute"):
        return True
    for each in spec.get("tolerations") or ():
        if each.get("effect") not in (None, "", taint["effect"]) or each.get("key") not in (None, "", taint.get("key")):
            continue
        if each.get("operator") == "Exists" or each.get("value", "") == taint.get("value", ""):
            return True
    return False


def is_chosen(spec: Mapping[str, Any], node: Node) -> bool:
    """Say whether a node is among those that a pod requires; an operator that is not known lets it be."""
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if not affinity:
        return True
    labels = node["metadata"].get("labels") or {}
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(
        all(_holds(each, labels) for each in term.get("matchExpressions") or ())
        and all(_holds(each, fields) for each in term.get("matchFields") or ())
        for term in affinity.get("nodeSelectorTerms") or ()
        if term.get("matchExpressions") or term.get("matchFields")
    )


def _holds(wanted: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(wanted["key"]), wanted.get("values") or ()
    match wanted.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compares(wanted["operator"], value, values)
    return True


def _compares(operator: str, value: str | None, values: Iterable[str]) -> bool:
    try:
        has, limit = int(str(value)), int(next(iter(values)))
    except (ValueError, StopIteration):
        return False
    return has > limit if operator == "Gt" else has < limit


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
