"""Which nodes may be skipped by who begins nothing after what was skipped, as Kubeflow Pipelines does.

A step that takes the first of several, or comes after another without its data, runs although one of those was skipped.
So a node may be skipped from outside only where nothing that waits for it, directly or not, could run without it.
Elsewhere its pod decides, records that it is skipped, and ends well.
"""

from __future__ import annotations

from fairlead.specs import graphs
from fairlead.specs.branching import deciding_facts
from fairlead.specs.conditions import scalars
from fairlead.specs.graphs import Graph, Node
from fairlead.targets.tasks import required_by


def skippable(graph: Graph) -> dict[int, tuple[int, str]]:
    """Return the nodes that may be skipped, each with the node that decides it and the name of the fact that says so.

    Mapped nodes are none of them, and decide nothing: there is a fact for each of their items, and none for all.
    """
    strict = _strict(graph)
    return {
        number: (decides, fact)
        for number, (decides, fact) in deciding_facts(graph).items()
        if strict[number] and not graph.nodes[number].each and not graph.nodes[decides].each
    }


def _strict(graph: Graph) -> list[bool]:
    """Say for each node whether all that waits for it, directly or not, could not run without it."""
    strict = [True] * len(graph.nodes)
    for number in reversed(range(len(graph.nodes))):  # a node refers to earlier ones only
        node = graph.nodes[number]
        required = _required(node)
        for need in graphs.needs(node):
            strict[need] &= strict[number] and need in required
    return strict


def _required(node: Node) -> set[int]:
    """Return the nodes without which one can't run."""
    read = {scalar.node for scalar in scalars(node.when)} if node.when is not None else set()
    return read.union(*map(required_by, node.inputs.values()))
