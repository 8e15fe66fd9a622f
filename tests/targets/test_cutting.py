from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.specs import graphs
from fairlead.specs.graphs import Graph, Literally, Node
from fairlead.targets.cutting import INSTANCES_MAX, allowances, cut, cut_items, depth_first
from targets.refused import STEP


def shape(seed: int) -> tuple[Graph, dict[int, int | None]]:
    """Return a graph of any form, and how many instances each of its nodes has, as far as is known."""
    chance = random.Random(seed)
    reach, mapped = chance.choice([1, 3, 40, 400]), chance.choice([0.0, 0.1, 0.5])
    nodes, lengths = [], dict[int, int | None]()
    for number in range(chance.randint(1, 700)):
        needs = {chance.randrange(max(0, number - reach), number) for _ in range(chance.randint(0, 3)) if number}
        is_mapped = chance.random() < mapped
        lengths[number] = chance.choice([None, chance.randint(0, 3 * INSTANCES_MAX)]) if is_mapped else 1
        inputs: dict[str, Any] = {"x": Literally([])} if is_mapped else {}
        nodes.append(Node(step="work", after=tuple(sorted(needs)), each=("x",) if is_mapped else (), inputs=inputs))
    return Graph(flow="f", steps={"work": STEP}, nodes=tuple(nodes)), lengths


shapes = st.integers(0, 1 << 32).map(shape)


@settings(max_examples=60, deadline=None)
@given(shapes)
def test_parts_hold_every_node_once_need_no_later_one_and_fit_into_a_workflow(
    given: tuple[Graph, dict[int, int | None]],
) -> None:
    graph, lengths = given
    parts = list(cut(graph, dict.fromkeys(lengths), lengths, lambda key: 100, 1 << 20))
    assert sorted(number for part in parts for number in part.nodes) == list(lengths)
    place = {number: position for position, part in enumerate(parts) for number in part.nodes}
    for number, node in enumerate(graph.nodes):
        assert all(place[need] <= place[number] for need in graphs.needs(node))
    for part in parts:
        assert _most(graph, {number: lengths[number] for number in part.nodes}) <= INSTANCES_MAX


def _most(graph: Graph, lengths: dict[int, int | None]) -> int:
    """Return how many instances a workflow has at most."""
    found = allowances(graph, lengths)
    assert found is not None
    assert all(
        found[number] in (0, length) for number, length in lengths.items() if number in found and length is not None
    )
    return sum(max(1, found[number]) if number in found else 1 for number in lengths)


@settings(max_examples=60, deadline=None)
@given(shapes)
def test_depth_first_is_an_order_in_which_each_comes_after_what_it_needs(
    given: tuple[Graph, dict[int, int | None]],
) -> None:
    graph, _ = given
    seen: set[int] = set()
    for number in depth_first(graph, range(len(graph.nodes))):
        assert graphs.needs(graph.nodes[number]) <= seen
        seen.add(number)
    assert len(seen) == len(graph.nodes)


def test_chains_beside_each_other_are_cut_between_them() -> None:
    length, many = 50, 20
    nodes = [Node(step="work", after=(number - many,) if number >= many else ()) for number in range(length * many)]
    graph = Graph(flow="f", steps={"work": STEP}, nodes=tuple(nodes))
    parts = list(
        cut(graph, dict.fromkeys(range(len(nodes))), dict.fromkeys(range(len(nodes)), 1), lambda key: 0, 1 << 20)
    )
    for part in parts:  # no chain lies in two
        assert all(graphs.needs(graph.nodes[number]) <= part.nodes.keys() for number in part.nodes)


def test_a_list_is_cut_into_parts_that_are_small() -> None:
    parts = list(cut_items(7, tuple(range(450))))
    assert [part.name for part in parts] == [f"n7-{position}" for position in range(9)]
    assert [item for part in parts for item in part.nodes[7] or ()] == list(range(450))
