"""A future used where Python needs a value: refused with the user's line and a cure."""

from __future__ import annotations

import copy
import math
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest

from authoring.work import anything, double, load, report, trial
from fairlead import first_of, flow, space, sweep
from fairlead.authoring.flows import Flow
from fairlead.authoring.futures import Future
from fairlead.errors import UsageError
from fairlead.specs import conditions
from fairlead.specs.conditions import Compare, Constant, Scalar

MISUSES: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "if": (lambda x: 1 if x else 2, "if, while, and, or, not", "when="),
    "not": (lambda x: not x, "if, while, and, or, not", "when="),
    "and": (lambda x: x and 1, "if, while, and, or, not", "when="),
    "or": (lambda x: x or 1, "if, while, and, or, not", "when="),
    "bool": (bool, "if, while, and, or, not", "when="),
    "len": (len, "len()", ".map("),
    "for": (lambda x: [each for each in x], "a loop or unpacking", ".map("),
    "unpack": (lambda x: (lambda a, b: 0)(*x), "a loop or unpacking", "tuple[A, B]"),
    "list": (list, "a loop or unpacking", ".map("),
    "sorted": (sorted, "a loop or unpacking", ".map("),
    "max": (max, "a loop or unpacking", ".map("),
    "sum": (sum, "a loop or unpacking", ".map("),
    "reversed": (reversed, "reversed()", ".map("),
    "enumerate": (enumerate, "a loop or unpacking", ".map("),
    "f-string": (lambda x: f"{x}", "a text or f-string", "inside a step"),
    "f-string with a form": (lambda x: f"{x:.3f}", "a text or f-string", "inside a step"),
    "str": (str, "a text or f-string", "inside a step"),
    "percent": (lambda x: "%s" % x, "a text or f-string", "inside a step"),  # noqa: UP031
    "print": (print, "a text or f-string", "inside a step"),
    "join": (lambda x: ",".join(x), "a loop or unpacking", ".map("),
    "add": (lambda x: x + 1, "arithmetic", "inside a step"),
    "radd": (lambda x: 1 + x, "arithmetic", "inside a step"),
    "iadd": (lambda x: x.__add__(1), "arithmetic", "inside a step"),
    "text plus": (lambda x: x + "a", "arithmetic", "inside a step"),
    "mul": (lambda x: 2 * x, "arithmetic", "inside a step"),
    "div": (lambda x: x / 2, "arithmetic", "inside a step"),
    "mod": (lambda x: x % 2, "arithmetic", "inside a step"),
    "divmod": (lambda x: divmod(x, 2), "arithmetic", "inside a step"),
    "pow": (lambda x: x**2, "arithmetic", "inside a step"),
    "matmul": (lambda x: x @ x, "arithmetic", "inside a step"),
    "shift": (lambda x: x << 1, "arithmetic", "inside a step"),
    "xor": (lambda x: x ^ True, "arithmetic", "inside a step"),
    "neg": (lambda x: -x, "arithmetic", "inside a step"),
    "abs": (abs, "arithmetic", "inside a step"),
    "round": (lambda x: round(x, 2), "arithmetic", "inside a step"),
    "floor": (math.floor, "arithmetic", "inside a step"),
    "attribute": (lambda x: x.shape, "the attribute .shape", "future['shape']"),
    "method": (lambda x: x.mean(), "the attribute .mean", "inside a step"),
    "call": (lambda x: x(1), "a call", "inside a step"),
    "in": (lambda x: 1 in x, "in", ".isin("),
    "in a list": (lambda x: x in [1, 2], "if, and, or, not or a chained comparison", ".isin("),
    "chain": (lambda x: 0 < x < 1, "if, and, or, not or a chained comparison", "&"),
    "int": (int, "int()", "inside a step"),
    "float": (float, "float()", "inside a step"),
    "complex": (complex, "complex()", "inside a step"),
    "range": (range, "a number, an index or range()", ".map("),
    "index": (lambda x: [1, 2][x], "a number, an index or range()", ".map("),
    "slice": (lambda x: x[1:2], "the key slice(1, 2, None)", "text or a number"),
    "set item": (lambda x: x.__setitem__("a", 1), "setting an item", "inside a step"),
    "del item": (lambda x: x.__delitem__("a"), "deleting an item", "inside a step"),
    "with": (lambda x: exec("with x: pass", {"x": x}), "with", "inside a step"),
    "copy": (copy.copy, "a copy, or an object that holds it", "list or dict"),
    "pickle": (pickle.dumps, "a copy, or an object that holds it", "list or dict"),
}


def run(body: Callable[[Any], Any], given: Callable[[], Any]) -> str:
    def traced() -> None:
        body(given())

    with pytest.raises(UsageError) as caught:
        Flow(traced, name="f").trace()
    return str(caught.value)


@pytest.mark.parametrize(("body", "use", "cure"), MISUSES.values(), ids=MISUSES)
@pytest.mark.parametrize("mapped", [False, True], ids=["plain", "mapped"])
def test_a_future_has_no_value_yet(body: Callable[[Any], Any], use: str, cure: str, mapped: bool) -> None:
    if mapped and use.startswith("if, and, or, not or"):
        pytest.skip("a list of values is refused as a condition already")
    message = run(body, (lambda: double.map([1, 2])) if mapped else (lambda: double(1)))
    what, where, why, cured = message.splitlines()
    assert "has no value yet: the flow is being traced, nothing has run" in what
    assert f"{__file__}:" in where or "<string>:1" in where
    assert why == f"  why    {use} needs the value now"
    assert cured.startswith("  next   ")
    assert cure in cured


@pytest.mark.parametrize(
    ("body", "use", "cure"),
    [each for key, each in MISUSES.items() if key != "slice"],
    ids=[each for each in MISUSES if each != "slice"],
)
def test_the_first_of_several_has_no_value_either(body: Callable[[Any], Any], use: str, cure: str) -> None:
    message = run(body, lambda: first_of(double(1), double(2)))
    assert "<first of <future of double: int>, <future of double: int>> has no value yet" in message


@pytest.mark.parametrize(
    "body", [lambda x: x["a"], lambda x: x > 1, lambda x: x == 1, lambda x: x & x, lambda x: ~x, lambda x: x[1:2]]
)
def test_the_first_of_several_has_no_parts_and_is_no_condition(body: Callable[[Any], Any]) -> None:
    assert "why    a part or a comparison needs the value now" in run(body, lambda: first_of(double(1), double(2)))


def test_numpy_does_not_wrap_a_future() -> None:
    numpy = pytest.importorskip("numpy")
    for function in (numpy.mean, numpy.asarray, numpy.sqrt, lambda x: numpy.ones(2) * x):
        assert "needs the value now" in run(function, lambda: double(1))


def test_the_message_names_the_line_and_shows_it() -> None:
    def body(x: Any) -> None:
        if x > 3:  # the user's line
            pass

    line = body.__code__.co_firstlineno + 1
    message = run(body, lambda: double(1)["score"])
    assert f"  where  {__file__}:{line}: if x > 3:  # the user's line" in message.splitlines()


def test_a_future_shows_what_it_is() -> None:
    @flow
    def shown() -> None:
        assert repr(load()) == "<future of load: list[int]>"
        assert repr(report(1)["a"][0]) == "<future of report['a'][0]: Any>"
        assert (
            repr(sweep(trial, over={"lr": space.uniform(0, 1)}, maximize="s")([1]).score)
            == "<future of sweep-trial: float>"
        )

    shown.trace()


def condition_of(make: Callable[[Any], Any]) -> conditions.Condition | None:
    def traced() -> None:
        anything(1, when=make(report(1)))

    return Flow(traced, name="f").trace().graph.nodes[-1].when


S = Scalar(0, 0, ("a",))


@pytest.mark.parametrize(
    ("make", "condition"),
    [
        (lambda r: r["a"], S),
        (lambda r: r["a"] > 0.5, Compare("gt", S, Constant(0.5))),
        (lambda r: r["a"] < 1, Compare("lt", S, Constant(1))),
        (lambda r: r["a"] != "x", Compare("ne", S, Constant("x"))),
        (lambda r: r["a"] == None, Compare("eq", S, Constant(None))),  # noqa: E711
        (lambda r: r["a"] >= r["b"], Compare("ge", S, Scalar(0, 0, ("b",)))),
        (lambda r: r["a"] > 0.5, Compare("gt", S, Constant(0.5))),
        (lambda r: r["a"].isin(["x", 1]), conditions.In(S, ("x", 1))),
        (lambda r: r["a"] & r["b"], conditions.And((S, Scalar(0, 0, ("b",))))),
        (lambda r: (r["a"] <= 1) | ~r["a"], conditions.Or((Compare("le", S, Constant(1)), conditions.Not(S)))),
        (lambda r: ~(r["a"] > 1), conditions.Not(Compare("gt", S, Constant(1)))),
        (lambda r: r["a"][0]["b"], Scalar(0, 0, ("a", 0, "b"))),
    ],
)
def test_comparisons_of_futures_are_conditions(make: Callable[[Any], Any], condition: conditions.Condition) -> None:
    assert condition_of(make) == condition


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda r: True, "when= was given a value that is known while tracing"),
        (lambda r: False, "when= was given a value that is known while tracing"),
        (lambda r: 3, "when= takes a condition over futures, got 3"),
        (lambda r: r["a"] > [1], "a comparison with list needs the value now"),
        (lambda r: (r["a"] > 1) & True, "when= takes a condition over futures, got True"),
        (lambda r: True & r["a"], "when= takes a condition over futures, got True"),
        (lambda r: double.map([1]) > 1, "a condition over a mapped step needs the value now"),
        (lambda r: first_of(r, r), "when= takes a condition over futures, got <first of "),
        (lambda r: r["a"].isin([[1]]), "a comparison with list needs the value now"),
    ],
)
def test_what_is_no_condition_is_refused(make: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        condition_of(make)


def test_first_of_outside_a_flow_takes_the_first_value_that_is_there() -> None:
    assert first_of(None, 0, 1) == 0
    assert first_of(None, None) is None


def test_a_future_is_no_part_of_another_run_of_a_flow() -> None:
    kept: list[Future] = []

    def first() -> None:
        kept.append(double(1))

    Flow(first, name="first").trace()
    for use in (lambda: anything(kept[0]), lambda: anything.after(kept[0])(1), lambda: anything([kept[0]])):
        with pytest.raises(UsageError, match=r"belongs to another run of a flow|can't run after"):
            Flow(use, name="second").trace()


def test_futures_hidden_where_no_graph_can_see_them_are_refused() -> None:
    for hide in (lambda x: {x}, lambda x: {1: x}, lambda x: [{x}], lambda x: frozenset([x])):
        with pytest.raises(
            UsageError, match=r"can't hold futures.*\n.*\n.*give them in a list, or in a dict with text keys"
        ):
            Flow(lambda hide=hide: anything(hide(double(1))), name="f").trace()
