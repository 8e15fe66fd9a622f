"""How a graph branches and fans out, for those that run it without a driver: what one node's end decides for others."""

from __future__ import annotations

from fairlead.specs import graphs
from fairlead.specs.conditions import scalars
from fairlead.specs.graphs import Graph, Node


def conditions_on(graph: Graph, node: int) -> dict[str, int]:
    """Return the nodes whose condition reads this node's scalars and no other's, by the fact's name: ``when-0``."""
    found = [other for other, each in enumerate(graph.nodes) if decider(each) == node]
    return {f"when-{position}": other for position, other in enumerate(found)}


def decider(node: Node) -> int | None:
    """Return the one node whose end decides whether another runs; None where nothing does, or several do."""
    if node.when is None:
        return None
    read = {scalar.node for scalar in scalars(node.when)}
    return read.pop() if len(read) == 1 else None


def lists_of(graph: Graph, node: int) -> tuple[str, ...]:
    """Return the names of the facts that say how long a node's mapped lists are: ``count-0``."""
    return tuple(f"count-{position}" for position in range(len(graph.nodes[node].split)))


def counted_by(graph: Graph, node: int) -> int | tuple[int, str]:
    """Return how many instances a mapped node has: the number, or the node and the name of the fact that says it.

    Raises:
        LookupError: It maps over a constant, whose length the graph does not hold.
    """
    each = graph.nodes[node]
    if each.count is not None:
        return each.count
    for name in each.each:
        binding = each.inputs[name]
        if isinstance(binding, graphs.Output):
            source = graph.nodes[binding.node]
            if source.each:
                return counted_by(graph, binding.node)
            return binding.node, f"count-{source.split.index(graphs.Export(binding.output, binding.path))}"
    raise LookupError(f"the length of what {each.title} maps over does not stand in the graph")
