"""What a target is asked to compile: the part of a graph that is still to run, and where."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from fairlead.specs.contexts import Submission
from fairlead.specs.graphs import Graph

Manifest = dict[str, Any]
"""A Kubernetes object, as JSON."""


class Order(NamedTuple):
    """What is to be done.

    Attributes:
        submission: Where, for whom, and under which names.
        graph: The whole graph.
        nodes: The nodes that are still to run, with those of their items that are; None where all are.
        counts: How many instances mapped nodes have, where it is known by now and does not stand in the graph.
        layers: The layers of packages that are in the store: locks and images, as `fairlead.targets.layers` has them.
    """

    submission: Submission
    graph: Graph
    nodes: Mapping[int, tuple[int, ...] | None]
    counts: Mapping[int, int] = {}
    layers: Collection[tuple[str, str]] = ()
