"""Flows: their names and parameters, flags, and calls outside and inside other flows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from authoring.work import Colour, add, anything, double, driven, flagged, inner, load, scaled
from fairlead import first_of, flow
from fairlead.authoring.flows import RESERVED_FLAGS, Flow
from fairlead.errors import SpecError, UsageError


def test_a_flow_called_outside_is_a_plain_function() -> None:
    assert inner(3) == 12.0
    assert inner(3, by=0.5) == 3.0
    assert driven(2) == (2, "done")
    assert repr(inner) == "<flow inner>"


def test_conditions_hold_outside_a_flow_as_well() -> None:
    @flow
    def branched(x: int) -> Any:
        big = scaled.options(when=x > 1)(x, by=10.0)
        small = double(x, when=x <= 1)
        return first_of(big, small), inner(x, when=x > 5), load.map([1], when=x > 5), inner.options(when=x <= 5)(x)

    assert branched(3) == (30.0, None, [], 12.0)
    assert branched(1) == (2, None, [], 4.0)


@pytest.mark.parametrize("name", sorted(RESERVED_FLAGS))
def test_options_of_run_are_no_parameters(name: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def f({name}=1): ...", namespace)
    with pytest.raises(
        SpecError, match=f"{name}: is an option of fairlead run; rename the parameter, for instance {name}_"
    ):
        flow(namespace["f"])


def test_every_option_of_run_is_reserved() -> None:
    from fairlead.cli.main import parser_of

    options = {word for action in parser_of("run")[1]._actions for word in action.option_strings}
    assert {word.lstrip("-").replace("-", "_") for word in options} <= RESERVED_FLAGS


def test_all_faults_of_a_flows_parameters_come_together() -> None:
    def f(inline: int, when: int, *args: int, **options: int) -> None: ...

    with pytest.raises(SpecError) as caught:
        flow(name="no name")(f)
    assert [each.path for each in caught.value.faults] == ["name", "inline", "when", "args", "options"]
    assert f"next   edit {__file__}:" in str(caught.value)


async def _async() -> None: ...


def _generator() -> Any:
    yield 1


async def _async_generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (_async, "flow '_async' is async"),
        (_generator, "flow '_generator' is a generator"),
        (_async_generator, "flow '_async_generator' is async"),
        (Flow, "@flow is for functions, got <class"),
        (double, "@flow is for functions, got <step double>"),
        (inner, "@flow is for functions, got <flow inner>"),
        (len, "@flow is for functions, got <built-in"),
    ],
)
def test_what_is_no_plain_function_is_no_flow(function: Any, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        flow(function)


@pytest.mark.parametrize(
    ("given", "said", "cure"),
    [
        (
            {"rate": "x"},
            "flow 'flagged' takes float for 'rate', got 'x'",
            "give another value, or change the annotation of 'rate'",
        ),
        ({"cuont": 1}, "flow 'flagged' has no parameter 'cuont'", "did you mean 'count'"),
        ({"sizes": ["a"]}, "flow 'flagged' takes list[int] for 'sizes', got ['a']", "give another"),
        ({"count": None}, "flow 'flagged' takes int for 'count', got None", "give another"),
    ],
)
def test_parameters_are_checked_before_the_body_runs(given: dict[str, Any], said: str, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        flagged.trace(given)
    assert caught.value.what == said
    assert caught.value.next.startswith(cure)
    assert re.fullmatch(r".*/work\.py:\d+", caught.value.where)


def test_a_parameter_without_default_is_asked_for() -> None:
    with pytest.raises(UsageError, match=r"flow 'inner' needs the parameter 'x' \(int\)\n.*\n  next   give --x VALUE"):
        inner.trace()


FLAGS = [
    ("count", "3", 3), ("rate", "1e-3", 0.001), ("deep", None, True), ("deep", "false", False), ("title", "", ""), ("place", "a/b", Path("a/b")),
    ("mode", "slow", "slow"), ("colour", "GREEN", Colour.GREEN), ("most", "none", None), ("most", "4", 4), ("sizes", "[1, 2]", [1, 2]),
    ("pair", "[3, 4]", (3, 4)), ("table", '{"a": 1}', {"a": 1}), ("plain", "5", 5), ("free", "[1]", [1]), ("free", "text", "text"),
]  # fmt: skip


@pytest.mark.parametrize(("flag", "text", "value"), FLAGS)
def test_flags_become_parameters(flag: str, text: str | None, value: Any) -> None:
    found = flagged.read_flags({flag: text})
    assert found == {flag: value}
    assert type(found[flag]) is type(value)
    flagged.trace(found)


@pytest.mark.parametrize(
    ("flag", "text", "what", "why", "cure"),
    [
        ("count", "x", "flow 'flagged' can't take --count x", "count must be int, got 'x'", "--count 12"),
        ("count", None, "flow 'flagged' can't take --count", "count must be int, and no value was given", "--count 12"),
        ("rate", "fast", "flow 'flagged' can't take --rate fast", "rate must be float, got 'fast'", "--rate 0.5"),
        ("deep", "maybe", "flow 'flagged' can't take --deep maybe", "deep must be one of true, false", "--deep true"),
        (
            "mode",
            "slwo",
            "flow 'flagged' can't take --mode slwo",
            "mode must be one of fast, slow, got 'slwo'",
            "--mode fast",
        ),
        ("colour", "red", "flow 'flagged' can't take --colour red", "colour must be one of RED, GREEN", "--colour RED"),
        ("most", "x", "flow 'flagged' can't take --most x", "most must be int or None", "--most 12"),
        (
            "sizes",
            "1,2",
            "flow 'flagged' can't take --sizes 1,2",
            "sizes must be list[int] written as JSON",
            "--sizes '[1, 2]'",
        ),
        ("plain", "x", "flow 'flagged' can't take --plain x", "plain must be int, got 'x'", "--plain 12"),
    ],
)
def test_a_flag_of_the_wrong_type_says_what_it_must_be(
    flag: str, text: str | None, what: str, why: str, cure: str
) -> None:
    with pytest.raises(UsageError) as caught:
        flagged.read_flags({flag: text})
    assert caught.value.what == what
    assert caught.value.why.startswith(why)
    assert caught.value.next == f"give for instance {cure}"
    assert caught.value.where


@pytest.mark.parametrize(
    ("flag", "cure"),
    [("cuont", "did you mean 'count'"), ("inlin", "did you mean '--inline'? known: "), ("zzz", "known: colour, count")],
)
def test_an_unknown_flag_has_nearest_names(flag: str, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        flagged.read_flags({flag: "1"})
    assert caught.value.what == f"flow 'flagged' has no parameter {flag!r}"
    assert caught.value.next.startswith(cure)


def test_dashes_in_flags_stand_for_underscores() -> None:
    def f(learning_rate: float = 0.1) -> None: ...

    assert Flow(f, name="f").read_flags({"learning-rate": "1"}) == {"learning_rate": 1.0}


def test_what_the_body_raises_names_the_users_line() -> None:
    def body(x: int = 0) -> None:
        load()
        1 / x

    line = body.__code__.co_firstlineno + 2
    with pytest.raises(UsageError) as caught:
        Flow(body, name="f").trace()
    assert caught.value.what == "flow 'f' can't be traced"
    assert caught.value.where == f"{__file__}:{line}: 1 / x"
    assert caught.value.why == "ZeroDivisionError: division by zero"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_nested_flow_takes_its_place_with_its_group() -> None:
    @flow
    def outer(rows: int = 2) -> Any:
        return inner(add(1, rows), by=3.0)

    graph = outer.trace().graph
    assert [(each.title, each.group) for each in graph.nodes] == [("add", ""), ("double", "inner"), ("scaled", "inner")]


def test_nested_flows_are_called_by_their_parameters_and_types() -> None:
    def unknown() -> Any:
        return inner(1, bye=2)

    with pytest.raises(
        UsageError, match=r"flow 'inner' can't be called like this: got an unexpected keyword argument 'bye'"
    ):
        Flow(unknown, name="f").trace()

    def wrong() -> Any:
        return inner(load(), by="much")  # type: ignore[arg-type]

    with pytest.raises(SpecError) as caught:
        Flow(wrong, name="f").trace()
    assert [each.message.partition("   [")[0] for each in caught.value.faults][:2] == [
        "takes int, got <future of load: list[int]>",
        "takes float, got 'much'",
    ]
    assert [each.path for each in caught.value.faults][:2] == ["inner(x=…)", "inner(by=…)"]


def test_a_condition_on_a_nested_flow_holds_for_every_step_of_it() -> None:
    @flow
    def innermost(x: int) -> int:
        return double(x)

    @flow
    def middle(x: int, go: Any) -> Any:
        return innermost(x, when=go), double(x)

    @flow
    def outer() -> Any:
        score = anything(1)
        middle.options(when=score["a"] > 1)(1, score["b"] < 2)
        driven(2, when=score["c"])
        return double(5)

    nodes = outer.trace().graph.nodes
    assert [each.group for each in nodes] == ["", "middle/innermost", "middle", "", ""]
    both, one, three, none = (nodes[number].when for number in (1, 2, 3, 4))
    assert none is None
    assert type(one).__name__ == "Compare"
    assert type(both).__name__ == "And"
    assert both.items[0] == one  # type: ignore[union-attr]
    assert type(three).__name__ == "Scalar"
    assert [each.path for each in nodes[0].exports] == [("a",), ("b",), ("c",)] or {
        each.path for each in nodes[0].exports
    } == {("a",), ("b",), ("c",)}


def test_conditions_of_options_add_up() -> None:
    @flow
    def outer() -> Any:
        score = anything(1)
        driven.options(when=score["a"]).options(when=score["b"])(1)
        return double.options(when=score["a"]).options(when=score["b"])(1, when=score["c"])

    nodes = outer.trace().graph.nodes
    assert [str(each.when).count("Scalar") for each in nodes] == [0, 2, 3]


def test_a_dynamic_flow_is_one_driver_node_with_its_outputs() -> None:
    @flow
    def outer() -> Any:
        limit, word = driven(2)
        return double(limit), word

    graph = outer.trace().graph
    assert [(each.title, graph.step_of(each).outputs) for each in graph.nodes] == [
        ("driven", ("int", "str")),
        ("double", ("int",)),
    ]
    alone = driven.trace({"limit": 5}).graph
    assert (len(alone.nodes), alone.steps["driven"].cache, alone.parameters) == (1, "off", {"limit": 5})
