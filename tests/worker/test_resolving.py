"""From a graph's bindings to an instance's inputs."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.specs import conditions
from fairlead.specs.graphs import Constant, DictOf, Export, FirstOf, Graph, ListOf, Literally, Node, Output
from fairlead.specs.steps import FunctionStep, Parameter
from fairlead.specs.values import Ref
from fairlead.store.progress import Progress
from fairlead.store.records import AttemptRecord, Called, Ended, Outcome
from fairlead.worker.resolving import Resolver, refs_in
from fairlead.worker.tasks import DictInput, Given, ListInput, Stored

TAKE = FunctionStep(
    name="take",
    function="m:take",
    parameters=(Parameter(name="x", required=False), Parameter(name="y", required=False)),
)
A = Export(0, ())


def ref(text: str, size: int = 1) -> Ref:
    return Ref(digest=text, format="json", size_bytes=size)


def take(name: str, x: Any = None, **fields: Any) -> Node:
    inputs = {} if x is None else {"x": x}
    return Node(step="take", name=name, inputs=inputs | fields.pop("inputs", {}), **fields)


class Run:
    """A graph whose steps succeed when they are told to."""

    def __init__(self, *nodes: Node, constants: dict[str, Ref] | None = None) -> None:
        self.reads: list[str] = []
        items = {name: ref(f"{each.digest}-items", each.size_bytes) for name, each in (constants or {}).items()}
        self.progress = Progress(
            Graph(flow="f", steps={"take": TAKE}, nodes=nodes), lambda given: given.size_bytes, constants=items
        )
        self.resolver = Resolver(self.progress, constants or {}, items, self.read)

    def read(self, given: Ref) -> tuple[Ref, ...]:
        self.reads.append(given.digest)
        return tuple(ref(f"{given.digest}[{position}]") for position in range(given.size_bytes))

    def succeed(
        self, name: str, index: int = 0, *, outputs: int = 1, items: int | None = None, exports: tuple[Any, ...] = ()
    ) -> None:
        outcome = Outcome(
            outputs=tuple(ref(f"{name}{index}.{output}") for output in range(outputs)),
            items=() if items is None else (ref(f"{name}-items", items),),
            exports=exports,
        )
        record = AttemptRecord(
            step=name, index=index, number=1, status="succeeded", started=0, finished=1, outcome=outcome
        )
        self.progress.apply(Ended(record=record))

    def inputs(self, name: str, index: int = 0) -> dict[str, Any]:
        return self.resolver.inputs(self.progress.instances[name, index])


def test_literals_and_constants_are_given_as_they_are() -> None:
    run = Run(take("a", Literally([1]), inputs={"y": Constant("c0")}), constants={"c0": ref("big")})
    assert run.inputs("a") == {"x": Given([1]), "y": Stored(ref("big"))}


def test_outputs_lists_and_mappings_follow_what_was_returned() -> None:
    both = ListOf((Output(0, 1), Literally(3), DictOf({"k": Output(0, 0, ("deep", 0))})))
    run = Run(take("a"), take("b", both))
    run.succeed("a", outputs=2)
    assert run.inputs("b") == {
        "x": ListInput((Stored(ref("a0.1")), Given(3), DictInput({"k": Stored(ref("a0.0"), ("deep", 0))})))
    }
    assert refs_in(run.inputs("b")["x"]) == [ref("a0.1"), ref("a0.0")]
    assert refs_in(Given(1)) == []


def test_an_item_of_a_written_list_is_its_item() -> None:
    run = Run(take("a"), take("b", Literally([5, 6]), each=("x",), count=2, inputs={"y": Literally([1])}))
    assert [run.inputs("b", index) for index in range(2)] == [
        {"x": Given(5), "y": Given([1])},
        {"x": Given(6), "y": Given([1])},
    ]


def test_an_item_of_a_list_of_bindings_is_its_binding() -> None:
    run = Run(take("a"), take("b", ListOf((Output(0), Literally(2))), each=("x",), count=2))
    run.succeed("a")
    assert [run.inputs("b", index)["x"] for index in range(2)] == [Stored(ref("a0.0")), Given(2)]


def test_items_of_stored_lists_are_read_once() -> None:
    run = Run(
        take("a", split=(A,)),
        take("b", Output(0), each=("x",)),
        take("c", Constant("c0"), each=("x",), count=2),
        constants={"c0": ref("big", 2)},
    )
    run.succeed("a", items=3)
    assert [run.inputs("b", index)["x"] for index in range(3)] == [
        Stored(ref(f"a-items[{index}]")) for index in range(3)
    ]
    assert [run.inputs("c", index)["x"] for index in range(2)] == [
        Stored(ref(f"big-items[{index}]")) for index in range(2)
    ]
    assert run.reads == ["a-items", "big-items"]


def test_items_of_a_mapped_step_are_followed_one_by_one_and_gathered_whole() -> None:
    run = Run(
        take("a", Literally([1, 2]), each=("x",), count=2),
        take("b", Output(0, 1), each=("x",), count=2),
        take("c", Output(0, 0, ("k",))),
        take("d", Output(0, 0, ("k",))),
    )
    for index in (1, 0):
        run.succeed("a", index, outputs=2)
    assert [run.inputs("b", index)["x"] for index in range(2)] == [Stored(ref("a0.1")), Stored(ref("a1.1"))]
    assert run.inputs("c")["x"] == ListInput((Stored(ref("a0.0"), ("k",)), Stored(ref("a1.0"), ("k",))))
    assert run.inputs("c")["x"] is run.inputs("d")["x"]


def test_a_map_over_nothing_is_an_empty_list() -> None:
    run = Run(take("a", Literally([]), each=("x",), count=0), take("b", Output(0)))
    assert run.inputs("b") == {"x": ListInput(())}


@pytest.mark.parametrize(("score", "given"), [(1, Stored(ref("b0.0"))), (0, Given("neither"))])
def test_the_first_that_was_not_skipped_is_taken(score: int, given: Any) -> None:
    when = conditions.Compare("gt", conditions.Scalar(0), conditions.Constant(0.5))
    run = Run(take("a", exports=(A,)), take("b", when=when), take("c", FirstOf((Output(1), Literally("neither")))))
    run.succeed("a", exports=(score,))
    if score:
        run.succeed("b")
    assert run.inputs("c") == {"x": given}


def test_a_call_of_a_driver_brings_its_inputs() -> None:
    run = Run(take("a"))
    inputs = {"x": Given(1)}
    instance = run.progress.apply(
        Called(parent="d.0", identity="i", position=0, step="called", index=0, definition=TAKE, inputs=inputs)
    )
    assert instance is not None
    assert run.resolver.inputs(instance) == inputs
