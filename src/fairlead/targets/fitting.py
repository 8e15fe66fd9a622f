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
from fairlead.snapshots.parts import Part, Ref

_TEMPORARY = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""Taints that the cluster itself sets and takes away."""
_HOLDS = ("NoSchedule", "NoExecute")
REQUIRED_OF_NODES = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
"""Where a pod's spec says which nodes it must have."""

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


def _part(manifest: Mapping[str, Any]) -> Part:
    return Part(Ref("", "", ""), "", manifest)


def _misfit(pod: Pod, asked: Mapping[str, Decimal], node: Node) -> str:
    """Return why a pod can't be on a node, or nothing."""
    spec, there = _part(pod).part("spec"), _part(node)
    labels = there.mapping("metadata.labels")
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    for name, amount in sorted(asked.items()):
        has = parse_quantity(allocatable.get(name, 0))
        if amount > has:
            return f"asks for {_plain(amount)} {name}, and it has {_plain(has)}"
    for name, value in sorted(spec.mapping("nodeSelector").items()):
        if labels.get(name) != value:
            return f"has no label {name}={value}"
    if not is_chosen(spec, labels, there.text("metadata.name")):
        return "the pod's node affinity excludes it"
    for taint in there.each("spec.taints"):
        if is_lasting(taint) and not tolerates(spec.each("tolerations"), taint):
            return f"has the taint {written(taint)}, which the pod does not tolerate"
    return ""


def written(taint: Part) -> str:
    """Return a taint as kubectl writes it: ``key=value:NoSchedule``."""
    return f"{taint.text('key')}={taint.text('value')}:{taint.text('effect')}"


def is_lasting(taint: Part) -> bool:
    """Say whether a taint is somebody's, who means it; the cluster sets and takes away some itself."""
    return not taint.text("key").startswith(_TEMPORARY)


def tolerates(tolerations: Iterable[Part], taint: Part) -> bool:
    """Say whether a taint of a node does not keep a pod with these tolerations away."""
    return taint.text("effect") not in _HOLDS or any(_is_tolerated(taint, each) for each in tolerations)


def _is_tolerated(taint: Part, toleration: Part) -> bool:
    key, effect = toleration.text("key"), toleration.text("effect")
    exists = toleration.text("operator") == "Exists"
    return (
        (key == taint.text("key") or (not key and exists))
        and effect in ("", taint.text("effect"))
        and (exists or toleration.text("value") == taint.text("value"))
    )


def is_chosen(spec: Part, labels: Mapping[str, Any], name: str) -> bool:
    """Say whether a node is among those that a pod's affinity requires; an operator that is not known lets it be.

    Args:
        spec: The pod's spec.
        labels: The node's labels.
        name: The node's name.
    """
    required = spec.part(REQUIRED_OF_NODES)
    if required.value is None:
        return True
    fields = {"metadata.name": name}
    return any(
        all(holds(each, labels) for each in term.each("matchExpressions"))
        and all(holds(each, fields) for each in term.each("matchFields"))
        for term in required.each("nodeSelectorTerms")
        if term.part("matchExpressions").value or term.part("matchFields").value
    )


def selects(selector: Part, labels: Mapping[str, Any]) -> bool:
    """Say whether labels are those that a selector asks for; an empty one asks for none."""
    return all(labels.get(key) == value for key, value in selector.mapping("matchLabels").items()) and all(
        holds(each, labels) for each in selector.each("matchExpressions")
    )


def holds(wanted: Part, labels: Mapping[str, Any]) -> bool:
    """Say whether labels meet an expression of a selector, of nodes or of anything else that has labels."""
    value, given = labels.get(wanted.text("key")), wanted.part("values").value
    values = [str(each) for each in given] if isinstance(given, list) else []
    match wanted.text("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            return _compares(operator, value, values)
    return True


def _compares(operator: str, value: object, values: Iterable[str]) -> bool:
    try:
        has, limit = int(str(value)), int(next(iter(values)))
    except (ValueError, StopIteration):
        return False
    return has > limit if operator == "Gt" else has < limit


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
