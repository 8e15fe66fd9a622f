"""How a graph branches and fans out, for those that run it without a driver: what one node's end decides for others."""

from __future__ import annotations

from fairlead.specs import graphs
from fairlead.specs.conditions import scalars
from fairlead.specs.graphs import Graph, Node


def conditions_on(graph: Graph, node: int) -> dict[str, int]:
    """Return the nodes whose condition reads this node's scalars and no other's, by the fact's name: ``when-0``."""
    found = [other for other, each in enumerate(graph.nodes) if decider(each) == node]
    return {f"when-{position}": other for position, other in enumerate(found)}


def deciding_facts(graph: Graph) -> dict[int, tuple[int, str]]:
    """Return for each node whose condition reads one node's scalars alone that node, and the name of the fact."""
    found: dict[int, tuple[int, str]] = {}
    counted: dict[int, int] = {}
    for number, node in enumerate(graph.nodes):
        decides = decider(node)
        if decides is not None:
            position = counted.get(decides, 0)
            counted[decides] = position + 1
            found[number] = decides, f"when-{position}"
    return found


def decider(node: Node) -> int | None:
    """Return the one node whose end decides whether another runs; None where nothing does, or several do."""
    if node.when is None:
        return None
    read = {scalar.node for scalar in scalars(node.when)}
    return read.pop() if len(read) == 1 else None


def lists_of(graph: Graph, node: int) -> tuple[str, ...]:
    """Return the names of the facts that say how long a node's mapped lists are: ``count-0``."""
    return tuple(f"count-{position}" for position in range(len(graph.nodes[node].split)))


LISTED_MAX = 256
"""The longest list that a pod names item by item to its controller: Tekton maps over no longer one."""


def length_facts(position: int, length: int) -> dict[str, str]:
    """Return the facts that say how long a mapped list is: its length; its items, if they are few; whether to map."""
    few = 0 < length <= LISTED_MAX
    items = ",".join(f'"{item}"' for item in range(length if few else 0))
    return {f"count-{position}": str(length), f"items-{position}": f"[{items}]", f"maps-{position}": str(few).lower()}


def counted_by(graph: Graph, node: int) -> int | tuple[int, str]:
    """Return how many instances a mapped node has: the number, or the node and the name of the fact that says it.

    Raises:
        LookupError: Nothing that the graph holds says it.
    """
    each = graph.nodes[node]
    if each.count is not None:
        return each.count
    for binding in map(each.inputs.__getitem__, each.each):
        if isinstance(binding, graphs.Literally) and isinstance(binding.value, list | tuple):
            return len(binding.value)
        if isinstance(binding, graphs.ListOf):
            return len(binding.items)
        if isinstance(binding, graphs.Output):
            source = graph.nodes[binding.node]
            if source.each:
                return counted_by(graph, binding.node)
            item_list = graphs.Export(binding.output, binding.path)
            if item_list in source.split:
                return binding.node, f"count-{source.split.index(item_list)}"
    raise LookupError(f"nothing says how long the list is that {each.title} maps over")
