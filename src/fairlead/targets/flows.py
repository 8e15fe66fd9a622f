"""What a whole run becomes on a cluster: the object whose controller goes through its graph, with nobody driving it.

What can't be expressed by one such target is refused before anything is sent, and which other ones can is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fairlead.errors import Fault
from fairlead.specs.contexts import Context
from fairlead.specs.graphs import Graph
from fairlead.targets.orders import Manifest, Order
from fairlead.targets.training.target import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowTarget:
    """One way to have a cluster go through a run.

    Args:
        name: As ``--target`` has it: ``workflow``.
        component: What a cluster needs for it, in words: ``Argo Workflows 3.5 or newer``.
        resource: The kind of what a run becomes.
        stop: The patch that ends such an object at once, but for the run's last pod.
        by_metadata: Whether its metadata alone say that it has ended.
        faults: Says what of a graph it can't express in a context, with paths into the graph.
        render: Compiles a run; the first object is created by whoever submits.
        is_completed: Says whether an object has ended: its last pod too.
        creators: Says how many pods surely create other objects, by those that a run was compiled to.
    """

    name: str
    component: str
    resource: Resource
    stop: Manifest
    by_metadata: bool
    faults: Callable[[Graph, Context], Iterable[Fault]]
    render: Callable[[Order], list[Manifest]]
    is_completed: Callable[[Manifest], bool]
    creators: Callable[[list[Manifest]], int]
