"""What a graph can't be: every fault with its path."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.specs import conditions
from fairlead.specs.graphs import (
    Constant,
    DictOf,
    FirstOf,
    Graph,
    ListOf,
    Literally,
    Node,
    Output,
    graph_faults,
    needs,
    outputs_in,
)
from fairlead.specs.steps import FunctionStep, Parameter

TAKE = FunctionStep(
    name="take", function="m:take", parameters=(Parameter(name="x"), Parameter(name="y", required=False))
)
PAIR = FunctionStep(name="pair", function="m:pair", outputs=("int", "int"))


def faults(*nodes: Node, **changes: Any) -> list[str]:
    graph = Graph(flow="f", steps={"take": TAKE, "pair": PAIR}, nodes=nodes)
    return [str(each) for each in graph_faults(msgspec.structs.replace(graph, **changes))]


def take(x: Any = None, **fields: Any) -> Node:
    return Node(step="take", inputs={"x": Literally(1) if x is None else x}, **fields)


SOURCE = Node(step="pair")


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ((), []),
        ((SOURCE, take(Output(0, 1)), take(ListOf((Output(1), Literally(2), DictOf({"a": Output(0)}))))), []),
        ((Node(step="tkae"),), ["nodes[0].step: no step 'tkae' is defined; did you mean 'take'?"]),
        ((Node(step="take"),), ["nodes[0].inputs.x: step 'take' needs it"]),
        ((Node(step="take", inputs={"x": Literally(1), "z": Literally(2)}),), ["nodes[0].inputs.z: step 'take' has no such parameter; known: x, y"]),
        ((take(each=("y",)),), ["nodes[0].each: 'y' is not among its inputs"]),
        ((take(Output(0)),), ["nodes[0]: refers to node 0, which is not before it"]),
        ((take(Output(5)),), ["nodes[0]: refers to node 5, which is not before it"]),
        ((take(after=(-1,)),), ["nodes[0]: refers to node -1, which is not before it"]),
        ((take(when=conditions.Not(conditions.Scalar(3))),), ["nodes[0]: refers to node 3, which is not before it"]),
        ((SOURCE, take(Output(0, 2))), ["nodes[1].inputs.x: node 0 has no output 2"]),
        ((SOURCE, take(Output(0, -1))), ["nodes[1].inputs.x: node 0 has no output -1"]),
        ((SOURCE, take(FirstOf((Output(0), Output(0, 7))))), ["nodes[1].inputs.x: node 0 has no output 7"]),
        (
            (Node(step="take", inputs={"z": Output(9)}, each=("w",)), Node(step="no")),
            [
                "nodes[0].inputs.z: step 'take' has no such parameter; known: x, y",
                "nodes[0].inputs.x: step 'take' needs it",
                "nodes[0].each: 'w' is not among its inputs",
                "nodes[0]: refers to node 9, which is not before it",
                "nodes[1].step: no step 'no' is defined; known: pair, take",
            ],
        ),
    ],
)  # fmt: skip
def test_every_fault_of_the_nodes_is_named(nodes: tuple[Node, ...], said: list[str]) -> None:
    assert faults(*nodes) == said


def test_faults_of_the_flow_its_steps_and_its_result_are_named() -> None:
    bad = FunctionStep(name="", function="")
    found = faults(
        SOURCE, flow="no name", steps={"pair": PAIR, "bad": bad}, result=ListOf((Output(1), Output(0, 2), Output(0, 1)))
    )
    assert [each.partition(":")[0] for each in found] == [
        "flow",
        "steps.bad.name",
        "steps.bad.function",
        "result",
        "result",
    ]
    assert found[-2:] == ["result: refers to node 1, which does not exist", "result: node 0 has no output 2"]


def test_a_node_waits_for_what_it_takes_comes_after_and_asks() -> None:
    condition = conditions.Compare("gt", conditions.Scalar(4), conditions.Constant(1))
    inputs = {"x": FirstOf((Output(0), Output(1))), "y": DictOf({"a": ListOf((Output(2), Constant("c")))})}
    assert needs(Node(step="take", inputs=inputs, after=(3,), when=condition)) == {0, 1, 2, 3, 4}
    assert [each.node for each in outputs_in(inputs["y"])] == [2]


def test_a_node_is_known_by_its_name_else_its_step() -> None:
    assert (Node(step="take+2", name="take").title, Node(step="take").title) == ("take", "take")
