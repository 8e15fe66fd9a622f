"""Conditions on scalar results, and the one evaluator that every engine and target uses.

A condition is a closed expression: comparisons of scalars that steps have returned, joined by *and*, *or*
and *not*. It needs no Python to evaluate, so a condition means the same in every place a flow runs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

ScalarValue = str | int | float | bool | None
Path = tuple[str | int, ...]
Operator = Literal["eq", "ne", "lt", "le", "gt", "ge"]

_COMPARE: dict[str, Callable[..., bool]] = {
    name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")
}


class _Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind"):
    pass


class Scalar(_Condition, frozen=True, tag="scalar"):
    """A scalar inside an output of a node: ``report["accuracy"]``. Alone it is a condition if it is a bool."""

    node: int
    output: int = 0
    path: Path = ()


class Constant(_Condition, frozen=True, tag="value"):
    """A scalar written in the flow."""

    value: ScalarValue


class Compare(_Condition, frozen=True, tag="compare"):
    """Two scalars compared as Python compares them."""

    operator: Operator
    left: Scalar | Constant
    right: Scalar | Constant


class In(_Condition, frozen=True, tag="in"):
    """A scalar that equals one of some values."""

    item: Scalar
    values: tuple[ScalarValue, ...]


class And(_Condition, frozen=True, tag="and"):
    """All of the conditions."""

    items: tuple[Condition, ...]


class Or(_Condition, frozen=True, tag="or"):
    """At least one of the conditions."""

    items: tuple[Condition, ...]


class Not(_Condition, frozen=True, tag="not"):
    """The contrary of a condition."""

    item: Condition


Condition = Scalar | Compare | In | And | Or | Not


class ConditionError(ValueError):
    """A condition compares what can't be compared, or is no truth value."""


def evaluate(condition: Condition, value_of: Callable[[Scalar], ScalarValue]) -> bool:
    """Evaluate a condition.

    Args:
        condition: The expression.
        value_of: Gives the value of each scalar.

    Raises:
        ConditionError: Values of different kinds are ordered, or a lone scalar is no bool.
    """
    match condition:
        case Scalar():
            value = value_of(condition)
            if not isinstance(value, bool):
                raise ConditionError(f"a condition must be true or false, got {value!r}; compare it: result > 0")
            return value
        case Compare(name, left, right):
            return _compare(name, _operand(left, value_of), _operand(right, value_of))
        case In(item, values):
            return value_of(item) in values
        case And(items):
            return all(evaluate(item, value_of) for item in items)
        case Or(items):
            return any(evaluate(item, value_of) for item in items)
        case Not(item):
            return not evaluate(item, value_of)


def scalars(condition: Condition) -> Iterator[Scalar]:
    """Yield every scalar that a condition reads."""
    match condition:
        case Scalar():
            yield condition
        case Compare(_, left, right):
            yield from (side for side in (left, right) if isinstance(side, Scalar))
        case In(item, _):
            yield item
        case And(items) | Or(items):
            for each in items:
                yield from scalars(each)
        case Not(item):
            yield from scalars(item)


def _operand(side: Scalar | Constant, value_of: Callable[[Scalar], ScalarValue]) -> ScalarValue:
    return side.value if isinstance(side, Constant) else value_of(side)


def _compare(name: Operator, left: ScalarValue, right: ScalarValue) -> bool:
    try:
        return _COMPARE[name](left, right)
    except TypeError as error:
        raise ConditionError(f"{left!r} and {right!r} have no order") from error
