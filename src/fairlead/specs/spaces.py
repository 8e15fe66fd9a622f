"""The points of a dimension of a search space, and how one is written as a text where a component knows texts alone."""

from __future__ import annotations

import json

from fairlead.specs.steps import Dimension

Point = str | int | float | bool | None


def listed(dimension: Dimension) -> list[Point] | None:
    """Return every point of a dimension in order, or None for a range of floats without steps."""
    if dimension.type == "categorical":
        return list(dimension.choices)
    step = dimension.step or (1 if dimension.type == "int" else None)
    if step is None or dimension.low is None or dimension.high is None:
        return None
    count = _count(dimension.low, dimension.high, step)
    return [min(dimension.low + position * step, dimension.high) for position in range(count)]


def count_of(dimension: Dimension) -> int | None:
    """Return how many points `listed` would return, without making them."""
    if dimension.type == "categorical":
        return len(dimension.choices)
    step = dimension.step or (1 if dimension.type == "int" else None)
    if step is None or dimension.low is None or dimension.high is None:
        return None
    return _count(dimension.low, dimension.high, step)


def _count(low: float, high: float, step: float) -> int:
    return int((high - low) / step + 1e-9) + 1


def text_of(point: Point) -> str:
    """Return a point as a text: a text as it is, anything else as JSON has it."""
    return point if isinstance(point, str) else json.dumps(point)


def point_of(dimension: Dimension, text: str) -> Point:
    """Return the point of a dimension that a text says.

    Raises:
        ValueError: It says none.
    """
    if dimension.type == "categorical":
        for choice in dimension.choices:
            if text_of(choice) == text:
                return choice
        raise ValueError(f"must be one of {', '.join(map(text_of, dimension.choices))}, got {text!r}")
    assert dimension.low is not None and dimension.high is not None
    number, slack = float(text), 1e-9 * (dimension.high - dimension.low)
    if not dimension.low - slack <= number <= dimension.high + slack:
        raise ValueError(f"must lie between {dimension.low} and {dimension.high}, got {text!r}")
    return round(number) if dimension.type == "int" else min(max(number, dimension.low), dimension.high)
