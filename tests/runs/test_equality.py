"""Comparing two loaded values without harm."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.runs.equality import compare


class Plain:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Angry:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("never compare me")


class Vague:
    def __eq__(self, other: object) -> Any:
        return "perhaps"


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ({"a": 1, "b": [2, 3]}, {"b": [2, 3], "a": 1}, "equal"),
        ({1, 2}, {2, 1}, "equal"),
        ({"a": 1}, {"a": 2}, "different"),
        ({"a": 1}, {"b": 1}, "different"),
        ([1, 2], [1], "different"),
        ((1, "x"), (1, "x"), "equal"),
        (1, 1.0, "different"),
        (Plain(a=1, b=[2]), Plain(b=[2], a=1), "equal"),
        (Plain(a=1), Plain(a=2), "unknown"),
        (object(), object(), "unknown"),
        (Angry(), Angry(), "unknown"),
        ([1, Angry()], [2, Angry()], "different"),
        (Vague(), Vague(), "unknown"),
    ],
)
def test_values_are_equal_different_or_not_known(first: Any, second: Any, verdict: str) -> None:
    assert compare(first, second) == verdict


def test_a_value_that_holds_itself_is_not_known() -> None:
    first: list[Any] = []
    first.append(first)
    second: list[Any] = []
    second.append(second)
    assert compare(first, second) == "unknown"


def test_a_value_of_very_many_parts_is_not_known() -> None:
    assert compare(list(range(20_000)), list(range(20_000))) == "unknown"


def test_arrays_are_compared_by_content_and_type() -> None:
    numpy = pytest.importorskip("numpy")
    first = numpy.array([1.0, float("nan")])
    assert compare({"w": first}, {"w": first.copy()}) == "equal"
    assert compare(first, first + 1) == "different"
    assert compare(first, first.astype("float32")) == "different"
    assert compare(numpy.array(["a"]), numpy.array(["a"])) == "equal"
    assert compare(Plain(w=first), Plain(w=first.copy())) == "equal"


def test_tables_are_compared_as_their_library_does() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, None]})
    assert compare(frame, frame.copy()) == "equal"
    assert compare(frame, frame + 1) == "different"
