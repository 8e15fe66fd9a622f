"""Conditions: one table of cases for the one evaluator."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.specs.conditions import And, Compare, ConditionError, Constant, In, Not, Or, Scalar, evaluate, scalars

A, B, C = Scalar(0), Scalar(1, 0, ("score",)), Scalar(2)


def compare(name: Any, left: Any, right: Any) -> Compare:
    return Compare(name, *(each if isinstance(each, Scalar) else Constant(each) for each in (left, right)))


def run(condition: Any, a: Any = None, b: Any = None) -> bool:
    return evaluate(condition, {A: a, B: b}.__getitem__)


OPERATORS = [
    # operator, left, right, what it gives
    ("eq", 1, 1, True), ("eq", 1, 2, False), ("eq", 1, 1.0, True), ("eq", 1, "1", False), ("eq", True, 1, True),
    ("eq", None, None, True), ("eq", None, 0, False), ("eq", None, False, False), ("eq", "a", "a", True), ("eq", "a", "A", False),
    ("eq", math.nan, math.nan, False), ("ne", math.nan, math.nan, True), ("ne", 1, 1, False), ("ne", None, 1, True), ("ne", "a", 1, True),
    ("lt", 1, 2, True), ("lt", 2, 2, False), ("lt", 1.5, 2, True), ("lt", "a", "b", True), ("lt", "B", "a", True), ("lt", False, True, True),
    ("lt", math.nan, 1, False), ("lt", -math.inf, 0, True), ("le", 2, 2, True), ("le", 3, 2, False), ("le", "", "a", True),
    ("gt", 0.951, 0.95, True), ("gt", 0.95, 0.95, False), ("gt", math.inf, 10**300, True), ("ge", 0.95, 0.95, True), ("ge", 1, 2, False),
    ("ge", True, 0, True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "left", "right", "holds"), OPERATORS)
def test_scalars_compare_as_in_python_wherever_they_stand(name: Any, left: Any, right: Any, holds: bool) -> None:
    assert run(compare(name, A, right), left) is holds
    assert run(compare(name, left, A), right) is holds
    assert run(compare(name, A, B), left, right) is holds
    assert run(compare(name, left, right)) is holds


@pytest.mark.parametrize("name", ["lt", "le", "gt", "ge"])
@pytest.mark.parametrize(
    ("left", "right"), [(None, 1), (1, None), ("1", 1), (1.0, "1"), (None, None), (None, "a"), (True, "a")]
)
def test_values_of_different_kinds_have_no_order(name: Any, left: Any, right: Any) -> None:
    with pytest.raises(ConditionError, match=f"^{left!r} and {right!r} have no order$"):
        run(compare(name, A, right), left)


@pytest.mark.parametrize(
    ("value", "values", "holds"),
    [
        ("a", ("a", "b"), True), ("c", ("a", "b"), False), ("a", (), False), (None, (None,), True), (None, (0, ""), False),
        (1, (1.0,), True), (True, (1,), True), ("1", (1,), False), (math.nan, (1.0,), False),
    ],
)  # fmt: skip
def test_a_scalar_is_one_of_some_values(value: Any, values: tuple[Any, ...], holds: bool) -> None:
    assert run(In(A, values), value) is holds
    assert run(Not(In(A, values)), value) is not holds


@pytest.mark.parametrize("value", [True, False])
def test_a_lone_scalar_is_a_condition_if_it_is_a_bool(value: bool) -> None:
    assert run(A, value) is value


@pytest.mark.parametrize("value", [1, 0, "", "yes", None, 0.0])
def test_a_lone_scalar_that_is_no_bool_is_refused(value: Any) -> None:
    with pytest.raises(ConditionError, match=r"a condition must be true or false, got .*; compare it: result > 0"):
        run(A, value)


@pytest.mark.parametrize("a", [True, False])
@pytest.mark.parametrize("b", [True, False])
def test_conditions_are_joined_as_in_logic(a: bool, b: bool) -> None:
    assert run(And((A, B)), a, b) is (a and b)
    assert run(Or((A, B)), a, b) is (a or b)
    assert run(Not(A), a) is (not a)
    assert run(Not(And((A, Not(Or((B, A)))))), a, b) is (not (a and not (b or a)))


def test_nothing_joined_is_what_logic_says() -> None:
    assert run(And(())) is True
    assert run(Or(())) is False


def test_what_is_decided_already_reads_no_further() -> None:
    wrong = compare("lt", A, "text")
    assert run(And((B, wrong)), 1, False) is False
    assert run(Or((B, wrong)), 1, True) is True
    with pytest.raises(ConditionError):
        run(And((B, wrong)), 1, True)
    with pytest.raises(ConditionError):
        run(Or((B, wrong)), 1, False)


def test_a_value_that_is_not_there_is_the_callers_error() -> None:
    with pytest.raises(KeyError):
        run(compare("eq", C, 1))


def test_every_scalar_that_is_read_is_listed() -> None:
    condition = And((Not(compare("lt", A, B)), Or((In(C, (1,)), A)), compare("eq", 1, 2)))
    assert list(scalars(condition)) == [A, B, C, A]


@given(
    st.integers() | st.floats() | st.none() | st.text(max_size=3),
    st.integers() | st.floats() | st.none() | st.text(max_size=3),
)
def test_equality_is_total_and_its_contrary_is_unequal(left: Any, right: Any) -> None:
    assert run(compare("eq", A, B), left, right) is not run(compare("ne", A, B), left, right)
    assert run(compare("eq", A, B), left, right) is run(compare("eq", B, A), left, right)
