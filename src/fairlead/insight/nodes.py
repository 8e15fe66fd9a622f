"""What nodes have, and what pods on them have asked for: as far as a snapshot shows them."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from fairlead.quantities import parse_quantity
from fairlead.snapshots.parts import Part
from fairlead.snapshots.snapshot import Snapshot, Thing

_ENDED = ("Succeeded", "Failed")


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


def _add(total: dict[str, Decimal], more: dict[str, Decimal]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, Decimal(0)) + value


def _raise(most: dict[str, Decimal], asked: dict[str, Decimal]) -> None:
    for name, value in asked.items():
        most[name] = max(most.get(name, value), value)
