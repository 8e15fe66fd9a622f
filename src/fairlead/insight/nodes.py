"""What nodes have, what pods on them have asked for, and which a pod could go to: as far as a snapshot shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from fairlead.quantities import parse_quantity
from fairlead.snapshots.parts import Part
from fairlead.snapshots.snapshot import Snapshot, Thing

_ENDED = ("Succeeded", "Failed")
_HOLDS = ("NoSchedule", "NoExecute")
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
"""The taint that a cordoned node gets too."""


def amount(text: object) -> Decimal:
    """Return a quantity as a number; 0 for what is none."""
    return _amount(str(text))


@lru_cache(10_000)  # the pods of a cluster ask for the same few amounts
def _amount(text: str) -> Decimal:
    try:
        return parse_quantity(text)
    except ValueError:
        return Decimal(0)


def requested(pod: Part, resource: str) -> Decimal:
    """Return how much of a resource a pod asks for, as the scheduler counts it."""
    return requests_of(pod).get(resource, Decimal(0))


def requests_of(pod: Part) -> dict[str, Decimal]:
    """Return how much a pod asks for of every resource, as the scheduler counts it.

    Source: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
    """
    most: dict[str, Decimal] = {}
    running: dict[str, Decimal] = {}
    for each in pod.each("spec.initContainers"):
        asked = asked_by(each)
        if each.text("restartPolicy") == "Always":  # it goes on beside all that follows
            _add(running, asked)
            asked = running
        else:
            asked = {name: value + running.get(name, Decimal(0)) for name, value in asked.items()}
        _raise(most, asked)
    for each in pod.each("spec.containers"):
        _add(running, asked_by(each))
    _raise(most, running)
    most |= {name: amount(value) for name, value in pod.mapping("spec.resources.requests").items()}
    _add(most, {name: amount(value) for name, value in pod.mapping("spec.overhead").items()})
    return most


def asked_by(container: Part) -> dict[str, Decimal]:
    """Return what a container asks for: what is limited, and not asked for, is asked for."""
    said = {**container.mapping("resources.limits"), **container.mapping("resources.requests")}
    return {name: amount(value) for name, value in said.items()}


def has_ended(pod: Part) -> bool:
    """Say whether a pod takes nothing of its node any more."""
    return pod.text("status.phase") in _ENDED


def allocatable(node: Thing, resource: str) -> Decimal:
    """Return how much of a resource a node has for pods."""
    return amount(node.mapping("status.allocatable").get(resource, 0))


def free(node: Thing, snapshot: Snapshot, resource: str) -> Decimal:
    """Return how much of a resource a node has left; more than there is where its pods are not all in the snapshot."""
    taken = (requested(pod, resource) for pod in snapshot.on(node) if not has_ended(pod))
    return allocatable(node, resource) - sum(taken, Decimal(0))


class Reach(NamedTuple):
    """The nodes that a pod could go to by what it says of them.

    Attributes:
        selected: Those with the labels that it asks for.
        open: Those of them that are neither cordoned nor have a taint that it does not tolerate.
        taints: The taints that keep it from the others of these, ``KEY=VALUE:EFFECT``, with the number of nodes.
    """

    selected: tuple[Thing, ...]
    open: tuple[Thing, ...]
    taints: Counter[str]


def reach(pod: Thing, snapshot: Snapshot) -> Reach:
    """Return which nodes a pod could go to; once for all pods that ask for the same."""
    spec = pod.part("spec")
    asked = [spec.mapping("nodeSelector"), spec.mapping("affinity.nodeAffinity"), spec.part("tolerations").value]
    key = ("reach", msgspec.json.encode(asked))
    if key not in snapshot.worked_out:
        snapshot.worked_out[key] = _reach(spec, snapshot)
    found = snapshot.worked_out[key]
    assert isinstance(found, Reach)
    return found


def _reach(spec: Part, snapshot: Snapshot) -> Reach:
    selected = tuple(node for node in snapshot.of_kind("Node") if _is_selected(spec, node))
    tolerations = list(spec.each("tolerations"))
    open_, taints = [], Counter[str]()
    for node in selected:
        held = [taint for taint in node.each("spec.taints") if taint.text("effect") in _HOLDS]
        if node.part("spec.unschedulable").value is True:
            taints[f"{UNSCHEDULABLE}=:NoSchedule"] += 1
            held = [taint for taint in held if taint.text("key") != UNSCHEDULABLE]
        untolerated = [taint for taint in held if not any(_is_tolerated(taint, each) for each in tolerations)]
        taints.update(f"{each.text('key')}={each.text('value')}:{each.text('effect')}" for each in untolerated)
        if not untolerated and node.part("spec.unschedulable").value is not True:
            open_.append(node)
    return Reach(selected, tuple(open_), taints)


def _is_tolerated(taint: Part, toleration: Part) -> bool:
    key, effect = toleration.text("key"), toleration.text("effect")
    exists = toleration.text("operator") == "Exists"
    return (
        (key == taint.text("key") or (not key and exists))
        and effect in ("", taint.text("effect"))
        and (exists or toleration.text("value") == taint.text("value"))
    )


def is_selected(selector: Part, thing: Thing) -> bool:
    """Say whether an object has the labels that a selector asks for; an empty one asks for none."""
    labels = thing.mapping("metadata.labels")
    return all(labels.get(key) == value for key, value in selector.mapping("matchLabels").items()) and all(
        _is_met(each, labels) for each in selector.each("matchExpressions")
    )


def _is_selected(spec: Part, node: Thing) -> bool:
    labels = node.mapping("metadata.labels")
    if any(labels.get(key) != value for key, value in spec.mapping("nodeSelector").items()):
        return False
    terms = list(spec.each("affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"))
    names = {"metadata.name": node.ref.name}
    return not terms or any(
        all(_is_met(each, labels) for each in term.each("matchExpressions"))
        and all(_is_met(each, names) for each in term.each("matchFields"))
        for term in terms
    )


def _is_met(expression: Part, labels: Mapping[str, Any]) -> bool:
    """Say whether labels meet an expression of a selector."""
    value, given = labels.get(expression.text("key")), expression.part("values").value
    values = [str(each) for each in given] if isinstance(given, list) else []
    match expression.text("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            low, high = (values[:1] or [""])[0], str(value)
            low, high = (low, high) if operator == "Gt" else (high, low)
            return low.lstrip("-").isdigit() and high.lstrip("-").isdigit() and int(low) < int(high)
        case _:
            return True


def _add(total: dict[str, Decimal], more: dict[str, Decimal]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, Decimal(0)) + value


def _raise(most: dict[str, Decimal], asked: dict[str, Decimal]) -> None:
    for name, value in asked.items():
        most[name] = max(most.get(name, value), value)
