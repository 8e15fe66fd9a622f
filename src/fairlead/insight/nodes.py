"""What nodes have, and what pods on them have asked for: as far as a snapshot shows them."""

from __future__ import annotations

from decimal import Decimal

from fairlead.quantities import parse_quantity
from fairlead.snapshots.parts import Part
from fairlead.snapshots.snapshot import Snapshot, Thing

_ENDED = ("Succeeded", "Failed")


def amount(text: object) -> Decimal:
    """Return a quantity as a number; 0 for what is none."""
    try:
        return parse_quantity(str(text))
    except ValueError:
        return Decimal(0)


def requested(pod: Thing, resource: str) -> Decimal:
    """Return how much of a resource a pod asks for, as the scheduler counts it."""
    inits = list(pod.each("spec.initContainers"))
    beside = [each for each in inits if each.text("restartPolicy") == "Always"]
    first = [each for each in inits if each.text("restartPolicy") != "Always"]

    def asked(container: Part) -> Decimal:
        limits = container.mapping("resources.limits")
        return amount(container.mapping("resources.requests").get(resource, limits.get(resource, 0)))

    running = sum(map(asked, [*pod.each("spec.containers"), *beside]), Decimal(0))
    most = max([running, *map(asked, first)])
    return most + amount(pod.mapping("spec.overhead").get(resource, 0))


def allocatable(node: Thing, resource: str) -> Decimal:
    """Return how much of a resource a node has for pods."""
    return amount(node.mapping("status.allocatable").get(resource, 0))


def free(node: Thing, snapshot: Snapshot, resource: str) -> Decimal:
    """Return how much of a resource a node has left; more than there is where its pods are not all in the snapshot."""
    taken = (requested(pod, resource) for pod in snapshot.on(node) if pod.text("status.phase") not in _ENDED)
    return allocatable(node, resource) - sum(taken, Decimal(0))
