"""Cutting a graph into Workflows that stay small.

Argo keeps the state of every node in the object itself, about a kilobyte each, and an object of etcd ends at 1.5 MB.
So no Workflow has more than a few hundred instances: a larger graph is cut into parts, which a small pod of the run's
own Workflow creates as they can begin; and a long list is cut in the same way, by a pod that its task starts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from fairlead.specs import graphs
from fairlead.specs.graphs import Graph

INSTANCES_MAX = 200
"""The most instances of one Workflow. Argo 4 takes as many tasks of one template."""
PART_MAX = 50
"""The most instances of one of several Workflows. Whatever happens to a pod, Argo decodes its whole Workflow and writes
it again: what an instance costs the cluster grows with the number of those beside it."""
_LISTED = 20
"""Instances for which there is always room where a list's length is not known."""
_FEW = INSTANCES_MAX // 2
"""A longer list has Workflows of its own where there are other nodes."""

Nodes = Mapping[int, tuple[int, ...] | None]
"""Nodes that are to run, with those of their items that are; None where all are."""


class Part(NamedTuple):
    """A part of a graph that becomes a Workflow of its own.

    Attributes:
        name: Its name within the run and generation: ``p3``, or ``n7-2`` for the third part of node 7's items.
        nodes: Its nodes.
    """

    name: str
    nodes: dict[int, tuple[int, ...] | None]


def allowances(graph: Graph, lengths: Mapping[int, int | None]) -> dict[int, int] | None:
    """Say how many items of each mapped node a Workflow runs itself; a longer list is cut into parts.

    Args:
        graph: The graph.
        lengths: How many instances each node of the Workflow has; None for a list whose length is not known yet.

    Returns:
        The most items of each mapped node; 0 for a list that is known to be too long. None where the Workflow is too
        large whatever is left to parts.
    """
    mapped = {number: length for number, length in lengths.items() if graph.nodes[number].each}
    known = sorted((length, number) for number, length in mapped.items() if length is not None)
    unknown = [number for number, length in mapped.items() if length is None]
    room = INSTANCES_MAX - (len(lengths) - len(unknown)) - _LISTED * len(unknown)
    if room < 0:
        return None
    found = {}
    for length, number in known:  # the shortest first; a task is counted already
        found[number] = length if length - 1 <= room else 0
        room -= max(found[number] - 1, 0)
    for position, number in enumerate(unknown):
        more = room // (len(unknown) - position)
        found[number] = _LISTED + more
        room -= more
    return found


def cut(
    graph: Graph,
    nodes: Nodes,
    lengths: Mapping[int, int | None],
    template_size: Callable[[str], int],
    bytes_max: int,
) -> Iterator[Part]:
    """Cut a graph into parts, none of which needs a later one.

    Nodes that follow each other stay together, as far as that goes, so that few parts wait for others.

    Args:
        graph: The graph.
        nodes: The nodes that are to run.
        lengths: How many instances each has, as far as is known.
        template_size: Returns how many bytes the template of a step's definition has.
        bytes_max: The most bytes of a part's templates and tasks.
    """
    own: dict[int, tuple[int, ...] | None] = {}
    definitions: set[str] = set()
    weight = size = count = 0
    for number in depth_first(graph, nodes):
        node = graph.nodes[number]
        length = lengths[number]
        heavy = _LISTED if length is None else length if length <= _FEW else 1
        large = _task_size(graph, number, own) + (template_size(node.step) if node.step not in definitions else 0)
        if own and (weight + heavy > PART_MAX or size + large > bytes_max):
            yield Part(f"p{count}", own)
            own, definitions, weight, size, count = {}, set(), 0, 0, count + 1
            large = _task_size(graph, number, own) + template_size(node.step)
        own[number] = nodes[number]
        definitions.add(node.step)
        weight, size = weight + heavy, size + large
    if own:
        yield Part(f"p{count}", own)


def cut_items(number: int, items: tuple[int, ...]) -> Iterator[Part]:
    """Cut the items of a mapped node into parts."""
    for position, start in enumerate(range(0, len(items), PART_MAX)):
        yield Part(f"n{number}-{position}", {number: items[start : start + PART_MAX]})


def depth_first(graph: Graph, nodes: Collection[int]) -> Iterator[int]:
    """Yield nodes so that each comes after those it needs, and a chain of them in one go."""
    chosen = set(nodes)
    needs = {number: graphs.needs(graph.nodes[number]) & chosen for number in sorted(chosen)}
    dependents: dict[int, list[int]] = {}
    for number, needed in needs.items():
        for need in needed:
            dependents.setdefault(need, []).append(number)
    waiting = {number: len(needed) for number, needed in needs.items()}
    ready = [number for number in sorted(chosen, reverse=True) if not waiting[number]]
    while ready:
        number = ready.pop()
        yield number
        for dependent in reversed(dependents.get(number, ())):
            waiting[dependent] -= 1
            if not waiting[dependent]:
                ready.append(dependent)


def _task_size(graph: Graph, number: int, own: Mapping[int, object]) -> int:
    """Return about how many bytes a task has, rather more."""
    needs = len(graphs.needs(graph.nodes[number]) & own.keys())
    return 400 + 70 * needs
