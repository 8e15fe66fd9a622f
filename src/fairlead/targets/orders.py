"""What a target is asked to compile: the part of a graph that is still to run, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fairlead.specs.contexts import Context
from fairlead.specs.graphs import Graph

Manifest = dict[str, Any]
"""A Kubernetes object, as JSON."""


class Order(NamedTuple):
    """What is to be done.

    Attributes:
        run: The run's id.
        graph: The whole graph.
        nodes: The nodes that are still to run, with those of their items that are; None where all are.
        context: Where it is to run.
        namespace: The namespace, known by now.
        generation: The number of the claim it is submitted under: names carry it.
        revision: Which of the run's specs counts.
        since: When this generation was made, in seconds since 1970.
        cancels_before: How often somebody had asked to cancel the run before.
        user: Who submitted it.
        labels: The run's own labels.
    """

    run: str
    graph: Graph
    nodes: Mapping[int, tuple[int, ...] | None]
    context: Context
    namespace: str
    generation: int = 1
    revision: int = 0
    since: float = 0.0
    cancels_before: int = 0
    user: str = ""
    labels: Mapping[str, str] = {}
