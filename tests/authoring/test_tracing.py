"""Tracing a flow's body into a graph."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import pytest

from authoring.work import (
    add,
    anything,
    boxed,
    double,
    joined,
    load,
    report,
    scaled,
    split,
)
from fairlead import container, first_of, step
from fairlead.authoring.flows import Flow
from fairlead.authoring.tracing import LITERAL_LEAVES_MAX, Traced
from fairlead.errors import SpecError, UsageError
from fairlead.specs.graphs import Constant, DictOf, FirstOf, Graph, ListOf, Literally, Output, graph_faults


def traced(body: Callable[[], Any]) -> Traced:
    return Flow(body, name="f").trace()


def graph(body: Callable[[], Any]) -> Graph:
    found = traced(body).graph
    assert list(graph_faults(found)) == []
    return found


def refused(body: Callable[[], Any]) -> UsageError:
    with pytest.raises(UsageError) as caught:
        traced(body)
    assert caught.value.where.startswith(f"{__file__}:")
    return caught.value


def test_a_step_called_n_times_has_one_name_and_indices() -> None:
    nodes = graph(lambda: [double(each) for each in range(3)] + [load(), double(9)]).nodes
    assert [(each.title, each.index) for each in nodes] == [
        ("double", 0),
        ("double", 1),
        ("double", 2),
        ("load", 0),
        ("double", 3),
    ]
    assert [each.step for each in nodes] == ["double"] * 3 + ["load", "double"]


def test_options_of_one_function_are_one_name_with_definitions_of_their_own() -> None:
    def body() -> None:
        for each in range(3):
            double.options(cpu=1 + each % 2)(each)
        double(1)

    found = graph(body)
    assert [(each.title, each.index, each.step) for each in found.nodes] == [
        ("double", 0, "double"), ("double", 1, "double+2"), ("double", 2, "double"), ("double", 3, "double+3"),
    ]  # fmt: skip
    assert [found.step_of(each).resources.cpu for each in found.nodes] == [1, 2, 1, None]


def test_a_definition_is_never_that_of_other_options_that_are_gone() -> None:
    def body() -> None:
        for each in range(200):
            double.options(cpu=1 + each % 3)(each)
            gc.collect(0)

    found = graph(body)
    assert [found.step_of(each).resources.cpu for each in found.nodes] == [1 + each % 3 for each in range(200)]


def _top(x: int) -> int:
    return x


def _other(x: int) -> int:
    return -x


def test_two_different_functions_of_one_name_are_refused_with_their_places() -> None:
    def body() -> None:
        step(name="work")(_top)(1)
        step(name="work")(_other)(2)

    error = refused(body)
    assert error.what == "two different functions have the name 'work'"
    assert (
        error.why
        == f"one is {__file__}:{_top.__code__.co_firstlineno}, the other {__file__}:{_other.__code__.co_firstlineno}"
    )
    assert error.next == "name one of them: @step(name='work_2')"


def test_a_name_that_was_bound_again_is_another_function() -> None:
    names: dict[str, Any] = {"__name__": "again", "step": step}
    exec("@step\ndef work(x): return 1\nfirst = work\n@step\ndef work(x): return 2", names)
    with pytest.raises(UsageError, match="two different functions have the name 'work'"):
        traced(lambda: (names["first"](1), names["work"](1)))


def test_one_function_under_one_name_twice_is_fine() -> None:
    again = step(name="work")(_top)
    assert [each.index for each in graph(lambda: (again(1), step(name="work")(_top)(2))).nodes] == [0, 1]


def test_two_different_containers_of_one_name_are_refused() -> None:
    other = container("boxed", image="busybox:1", command=["ls"], parameters=["a", "b"])
    error = refused(lambda: (boxed(1, 2), other(1, 2)))
    assert error.what == "two different containers have the name 'boxed'"
    assert error.why == "one is busybox:1 with the command 'cat {a}', the other busybox:1 with the command 'ls'"


def test_containers_take_inputs_options_and_conditions() -> None:
    nodes = graph(lambda: boxed.options(cpu=2).after(load())(1, b=load(), when=anything(1) > 1)).nodes
    assert (set(nodes[-1].inputs), nodes[-1].after) == ({"a", "b"}, (0,))


# What flows between ----------------------------------------------------------------------------


def test_literals_lists_mappings_and_futures_become_bindings() -> None:
    def body() -> Any:
        xs, rest = split(load())
        anything([1, xs, {"a": rest["k"][0]}], y=(xs, 2))
        anything({"a": 1}, y=[1, "x", None, True, 1.5])
        return {"all": [xs, 1], "one": rest}

    found = graph(body)
    assert found.nodes[2].inputs == {
        "x": ListOf((Literally(1), Output(1), DictOf({"a": Output(1, 1, ("k", 0))}))),
        "y": ListOf((Output(1), Literally(2))),
    }
    assert found.nodes[3].inputs == {"x": Literally({"a": 1}), "y": Literally([1, "x", None, True, 1.5])}
    assert found.result == DictOf({"all": ListOf((Output(1), Literally(1))), "one": Output(1, 1)})


@pytest.mark.parametrize(
    "value",
    [(1, 2), {1: 2}, b"x", {1}, 2**64, float("inf"), object(), list(range(LITERAL_LEAVES_MAX + 1)), "x" * 100_000],
)
def test_what_is_no_small_json_is_a_constant(value: Any) -> None:
    found = traced(lambda: anything(value))
    assert found.graph.nodes[0].inputs == {"x": Constant("c0")}
    assert found.constants == {"c0": value}


def test_one_object_given_often_is_one_constant() -> None:
    big, table = list(range(1000)), object()

    def body() -> None:
        for _ in range(3):
            anything(big, y=table)
        big.append(1)
        anything(big)

    found = traced(body)
    assert [len(each) for each in found.constants.values() if isinstance(each, list)] == [1000, 1001]
    assert [each.inputs["x"] for each in found.graph.nodes] == [Constant("c0")] * 3 + [Constant("c2")]


def test_what_a_flow_does_to_a_list_later_is_for_later_calls() -> None:
    def body() -> None:
        xs: list[int] = []
        for each in range(3):
            xs.append(each)
            anything(xs, y={"deep": xs})

    nodes = graph(body).nodes
    assert [each.inputs["x"] for each in nodes] == [Literally([0]), Literally([0, 1]), Literally([0, 1, 2])]
    assert nodes[0].inputs["y"] == Literally({"deep": [0]})


def test_defaults_and_keyword_only_parameters_are_left_to_the_function() -> None:
    nodes = graph(lambda: (scaled(1.0), scaled(x=1, name="n"), scaled(1, 3))).nodes
    assert [set(each.inputs) for each in nodes] == [{"x"}, {"x", "name"}, {"x", "by"}]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (lambda: scaled(), "missing a required argument: 'x'"),
        (lambda: scaled(1, 2, 3), "too many positional arguments"),
        (lambda: scaled(1, nmae="x"), "got an unexpected keyword argument 'nmae'"),
        (lambda: scaled(1, x=2), "multiple values for argument 'x'"),
    ],
)
def test_a_call_that_does_not_fit_shows_the_parameters(body: Callable[[], Any], said: str) -> None:
    error = refused(body)
    assert error.what == f"step 'scaled' can't be called like this: {said}"
    assert error.next == "its parameters are scaled(x: float, by: float = 2.0, *, name: str = 'n') -> float"


def test_types_between_steps_are_checked_and_all_faults_come_together() -> None:
    def body() -> Any:
        text = joined([1])
        double(text)  # 1
        double("3")  # 2
        scaled(load(), by=None)  # 3, 4
        joined([text, 1])  # 5
        joined({"a": text})  # 6
        joined(double.map([1]))
        add.map([1, "x"], 2 and [1, 2])  # 7
        double.map(text)  # 8
        double.map(joined.map([[1]]))  # 9
        joined([1], text=double(1) > 1)  # 10
        anything(x=[text, {"a": load()}])
        return double(first_of(double(1), text))  # 11

    first = body.__code__.co_firstlineno
    with pytest.raises(SpecError) as caught:
        traced(body)
    faults = [(each.path, each.message.partition("   [")[0]) for each in caught.value.faults]
    assert faults == [
        ("double(x=…)", "takes int, got <future of joined: str>"),
        ("double(x=…)", "takes int, got '3'"),
        ("scaled(x=…)", "takes float, got <future of load: list[int]>"),
        ("scaled(by=…)", "takes float, got None"),
        ("joined(xs=…)", "takes int, got <future of joined: str>"),
        ("joined(xs=…)", "takes list[int], got a dict of futures"),
        ("add(x=…)", "takes int, got 'x'"),
        ("double(x=…)", "maps over <future of joined: str>, which is no list"),
        ("double(x=…)", "takes int, got an item of <future of joined: str>"),
        ("joined(text=…)", "is a condition, which has no value; give it as when="),
        ("double(x=…)", "takes int, got <future of joined: str>"),
    ]
    assert f"[{__file__}:{first + 2}: double(text)  # 1]" in caught.value.faults[0].message
    assert str(caught.value).startswith("flow 'f' is not valid\n")


def test_a_condition_is_no_result() -> None:
    assert "a condition has no value" in str(refused(lambda: double(1) > 1))


# Order, conditions, maps -----------------------------------------------------------------------


def test_after_orders_without_data() -> None:
    def body() -> Any:
        one, pair = load(), split([1])
        late = double.after(one, pair)(1)
        late.after(one)
        return joined([1]).after(late)

    assert [each.after for each in graph(body).nodes] == [(), (), (0, 1), (2,)]


def test_after_takes_earlier_futures_of_this_flow_only() -> None:
    def later() -> None:
        first = double(1)
        first.after(double(2))

    assert refused(later).what == "double can't run after double, which is called later"
    assert refused(lambda: double.after(3)(1)).what == "double can't run after 3"
    assert refused(lambda: double(1).after(None)).what == "double can't run after None"


def test_first_of_joins_branches() -> None:
    def body() -> Any:
        good = report(1)["accuracy"] > 0.5
        return anything(first_of(double(1, when=good), double(2, when=~good), 0))

    assert graph(body).nodes[-1].inputs["x"] == FirstOf((Output(1), Output(2), Literally(0)))


def test_a_map_over_a_written_list_knows_its_length() -> None:
    def body() -> Any:
        double.map([1, 2])
        double(5)
        double.map(range(3))
        return joined.map([[1]], text="shared")

    nodes = graph(body).nodes
    assert [(each.title, each.index, each.count, each.each) for each in nodes] == [
        ("double", 0, 2, ("x",)), ("double", 2, None, ()), ("double", 3, 3, ("x",)), ("joined", 0, 1, ("xs",)),
    ]  # fmt: skip
    assert nodes[3].inputs == {"xs": Literally([[1]]), "text": Literally("shared")}


def test_a_map_over_a_future_is_open_and_has_a_name_of_its_own() -> None:
    def body() -> Any:
        xs = load()
        double.map(xs)
        double(1)
        double.map(xs)
        anything(1)
        step(name="double-3")(_other)(1)

    nodes = graph(body).nodes
    assert [(each.title, each.index, each.count) for each in nodes[1:4]] == [
        ("double-2", 0, None),
        ("double", 0, None),
        ("double-4", 0, None),
    ]
    assert nodes[0].split == nodes[0].split[:1]
    assert len({(each.title, each.index) for each in nodes}) == len(nodes)


def test_a_map_over_a_mapped_step_follows_it() -> None:
    nodes = graph(lambda: double.map(double.map([1, 2, 3]))).nodes
    assert [(each.count, each.inputs["x"]) for each in nodes] == [(3, Literally([1, 2, 3])), (3, Output(0))]


def test_several_lists_are_mapped_together() -> None:
    nodes = graph(lambda: add.map([1, 2], [3, 4])).nodes
    assert (nodes[0].each, nodes[0].count) == (("x", "y"), 2)
    assert graph(lambda: add.map(load(), [1, 2])).nodes[1].count == 2
    error = refused(lambda: add.map([1, 2], [1, 2, 3]))
    assert (error.what, error.why) == ("add.map() was given lists of different lengths", "they have 2 and 3 items")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (lambda: double.map(), "double.map() was given nothing to map over"),
        (lambda: double.map(x=[1]), "double.map() was given nothing to map over"),
        (lambda: double.map("abc"), "double.map() can't map over str for 'x'"),
        (lambda: double.map({"a": 1}), "double.map() can't map over dict for 'x'"),
        (lambda: double.map(b"abc"), "double.map() can't map over bytes for 'x'"),
        (lambda: double.map(5), "double.map() can't map over int for 'x'"),
        (lambda: double.map(None), "double.map() can't map over NoneType for 'x'"),
        (lambda: double.map(report.map([1])["a"]), "double.map() can't map over a part of each item of report"),
        (lambda: double.map([1], [2]), "step 'double' can't be called like this: too many positional arguments"),
        (lambda: double.map(first_of(load(), load())), "double.map() can't map over FirstOf for 'x'"),
    ],
)
def test_what_can_not_be_mapped_over_is_refused(body: Callable[[], Any], said: str) -> None:
    assert refused(body).what == said


def test_a_map_takes_a_condition() -> None:
    assert graph(lambda: double.map([1], when=report(1)["a"] > 1)).nodes[-1].when is not None


def test_several_outputs_are_futures_of_their_own() -> None:
    assert graph(lambda: joined(*split([1]))).nodes[1].inputs == {"xs": Output(0), "text": Output(0, 1)}
    mapped = graph(lambda: anything(split.map([[1]])[1])).nodes
    assert mapped[1].inputs == {"x": Output(0, 1)}


# Size ------------------------------------------------------------------------------------------


def _seconds(count: int) -> float:
    def body() -> None:
        last = double(0)
        for _ in range(count - 1):
            last = double(last)

    gc.collect()
    started = time.process_time()
    assert len(traced(body).graph.nodes) == count
    return time.process_time() - started


def test_tracing_is_linear_and_fast() -> None:
    small = min(_seconds(5_000) for _ in range(2))
    large = min(_seconds(10_000) for _ in range(2))
    assert large < 3
    assert large / small < 3
