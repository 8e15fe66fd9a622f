"""Values and types against annotations, and flags read by them."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Protocol, Union

import pytest

from authoring.work import Colour, framed, split
from fairlead.authoring.annotations import (
    accepts,
    compatible,
    from_text,
    hints,
    is_iterable,
    is_open,
    item_annotation,
    output_annotations,
    sample,
    show,
)

T = typing.TypeVar("T")


class Base: ...


class Derived(Base): ...


class Shape(Protocol):
    sides: int


class Point(typing.NamedTuple):
    x: int


ACCEPTS = [
    (int, 3, True), (int, 3.0, False), (int, "3", False), (int, True, True), (int, None, False), (float, 3, True), (float, True, False),
    (complex, 1.5, True), (str, "a", True), (str, b"a", False), (bool, 1, False), (None, None, True), (None, 0, False), (Any, object(), True),
    (object, 3, True), (T, 3, True), (list, [1], True), (list, (1,), False), (list[int], [1, 2], True), (list[int], ["a"], False),
    (list[int], [], True), (dict[str, int], {"a": 1}, True), (dict[str, int], {"a": "b"}, False), (dict[str, int], {1: 1}, False),
    (dict, {1: 2}, True), (tuple[int, str], (1, "a"), True), (tuple[int, str], (1,), False), (tuple[int, ...], (1, 2, 3), True),
    (tuple[int, ...], (1, "a"), False), (set[int], {1}, True), (set[int], {"a"}, False), (Sequence[int], (1, 2), True), (Sequence[str], "ab", True),
    (Mapping[str, int], {"a": 1}, True), (Iterable[int], [1], True), (Callable[[int], int], len, True), (Callable[[int], int], 3, False),
    (Optional[int], None, True), (Optional[int], "a", False), (int | str, "a", True), (int | None, 1.5, False), (Union[int, list[str]], ["a"], True),  # noqa: UP007, UP045
    (Literal["a", 1], "a", True), (Literal["a", 1], 1, True), (Literal["a", 1], True, False), (Literal["a"], "b", False),
    (Annotated[int, "unit"], 3, True), (Annotated[int, "unit"], "a", False), (Path, Path("a"), True), (Path, "a", False), (Base, Derived(), True),
    (Derived, Base(), False), (Colour, Colour.RED, True), (Colour, "RED", False), (Shape, 3, True), (typing.NewType("Id", str), 3, True),
    (Point, Point(1), True), (type[int], int, True), ("forward", 3, True),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "fits"), ACCEPTS)
def test_a_value_fits_its_annotation_or_does_not(annotation: Any, value: Any, fits: bool) -> None:
    assert accepts(annotation, value) is fits


COMPATIBLE = [
    (int, int, True), (int, float, True), (float, int, False), (str, int, False), (int, str, False), (bool, int, True), (Any, int, True), (int, Any, True),
    (object, int, True), (T, int, True), (None, int, False), (None, type(None), True), (int | None, int, True), (int, int | None, True), (str | None, int, False),
    (str, int | float, False), (list[int], list[int], True), (list[str], list[int], False), (list, list[int], True), (list[int], Sequence[float], True),
    (list[int], tuple[int, ...], False), (dict[str, int], Mapping[str, float], True), (dict[str, str], dict[str, int], False), (tuple[int, int], tuple[int, ...], True),
    (Derived, Base, True), (Base, Derived, False), (Path, str, False), (Literal["a"], str, True), (Literal["a"], int, False), (str, Literal["a", "b"], True),
    (int, Literal["a"], False), (Annotated[int, 1], float, True), (Base, Shape, True), (typing.NewType("Id", str), int, True), (int, Enum, False),
]  # fmt: skip


@pytest.mark.parametrize(("produced", "wanted", "fits"), COMPATIBLE)
def test_types_between_steps_are_compatible_unless_they_surely_are_not(produced: Any, wanted: Any, fits: bool) -> None:
    assert compatible(produced, wanted) is fits


@pytest.mark.parametrize(
    ("annotation", "outputs"),
    [
        (int, 1),
        (tuple[int, str], 2),
        (tuple[int, ...], 1),
        (tuple, 1),
        (Any, 1),
        (None, 1),
        (list[int], 1),
        (tuple[int], 1),
        (tuple[int, str, None], 3),
    ],
)
def test_the_number_of_outputs_follows_from_the_annotation(annotation: Any, outputs: int) -> None:
    assert len(output_annotations(annotation)) == outputs


def test_names_that_only_type_checkers_know_are_open_and_the_rest_is_checked() -> None:
    found = hints(framed.function)
    assert is_open(found["frame"])
    assert found["rows"] is int
    frame, by_name = output_annotations(found["return"])
    assert is_open(frame)
    assert (accepts(by_name, {"a": 1}), accepts(by_name, [1])) == (True, False)
    assert (framed.spec.outputs, [each.type for each in framed.spec.parameters]) == (
        ("Any", "dict[str, Any]"),
        ["Any", "int"],
    )
    assert split.spec.outputs == ("list[int]", "str")


def test_annotations_that_can_not_be_evaluated_are_open() -> None:
    def odd(a, b, c, d, e): ...

    odd.__annotations__ = {
        "a": "nowhere.deep[0](1) | None",
        "b": "1 / 0",
        "c": "nowhere | None",
        "d": "list[nowhere]",
        "e": "int",
        "return": "nowhere | str",
    }

    found = hints(odd)
    assert {name: is_open(found[name]) for name in "abde"} == {"a": True, "b": True, "d": False, "e": False}
    assert accepts(found["d"], [1])
    assert accepts(found["c"], None)
    assert is_open(found["return"])


@pytest.mark.skipif(sys.version_info < (3, 14), reason="before Python 3.14 such a function can't be defined")
def test_annotations_that_are_evaluated_late_are_as_open_as_those_that_are_texts() -> None:
    text = "def odd(frame: Frame, rows: int, *, by: dict[str, a.Frame] | None) -> tuple[Frame | int, list[Frame]]: ..."
    late: dict[str, Any] = {}
    early: dict[str, Any] = {}
    exec(compile(text, "late.py", "exec", dont_inherit=True), late)
    exec(compile(f"from __future__ import annotations\n{text}", "early.py", "exec"), early)

    found = hints(late["odd"])
    assert {name: show(each) for name, each in found.items()} == {
        name: show(each) for name, each in hints(early["odd"]).items()
    }
    assert is_open(found["frame"]) and found["rows"] is int
    assert (accepts(found["by"], {"a": 1}), accepts(found["by"], None)) == (True, True)
    assert [accepts(each, 1) for each in output_annotations(found["return"])] == [True, False]


OPTIONAL = "Optional[int]" if sys.version_info < (3, 14) else "int | None"  # which are the same from there on


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (int, "int"), (None, "None"), (type(None), "None"), (list[int], "list[int]"), (Optional[int], OPTIONAL), (int | None, "int | None"),  # noqa: UP045
        (Any, "Any"), (Colour, "Colour"), (dict[str, Any], "dict[str, Any]"), (Literal["a"], "Literal['a']"), (Path, "Path"), (list[Path], "list[Path]"),
        (tuple[int, ...], "tuple[int, ...]"),
    ],
)  # fmt: skip
def test_annotations_are_shown_as_they_are_written(annotation: Any, shown: str) -> None:
    assert show(annotation) == shown


@pytest.mark.parametrize(
    ("annotation", "item"),
    [
        (list[int], int),
        (Sequence[str], str),
        (tuple[int, ...], int),
        (tuple[int, str], Any),
        (list, Any),
        (dict[str, int], Any),
        (int | list[int], Any),
    ],
)
def test_the_items_of_a_list_have_its_annotation(annotation: Any, item: Any) -> None:
    assert item_annotation(annotation) is item


@pytest.mark.parametrize(
    ("annotation", "can"),
    [(list[int], True), (Any, True), (int, False), (str, False), (None, True), (dict, False), (dict[str, int], False), (Path, False), (int | list[int], True), (set[int], True)],
)  # fmt: skip
def test_what_may_be_mapped_over(annotation: Any, can: bool) -> None:
    assert is_iterable(annotation) is can


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "3", 3), (int, "-3", -3), (float, "1e-4", 1e-4), (float, "3", 3.0), (str, "3", "3"), (str, "", ""), (bool, "true", True), (bool, "No", False),
        (bool, "1", True), (Path, "a/b", Path("a/b")), (Literal["fast", 2], "2", 2), (Colour, "GREEN", Colour.GREEN), (int | None, "none", None),
        (int | None, "3", 3), (Optional[str], "x", "x"), (str | int, "3", 3), (list[int], "[1, 2]", [1, 2]), (tuple[int, int], "[1, 2]", (1, 2)),  # noqa: UP045
        (set[int], "[1, 1]", {1}), (tuple, "[1]", (1,)), (frozenset, "[1]", frozenset([1])), (dict[str, float], '{"a": 1}', {"a": 1}), (list, "[]", []), (Any, "text", "text"), (Any, "3", 3),
        (Any, "[1]", [1]), (list[int] | None, "null", None), (None, "none", None),
    ],
)  # fmt: skip
def test_flags_are_read_by_their_annotation(annotation: Any, text: str, value: Any) -> None:
    found = from_text(annotation, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text", "said"),
    [
        (int, "3.5", "invalid literal"), (float, "x", "could not convert"), (bool, "maybe", "must be one of true, false, 1, 0, yes, no, got 'maybe'"),
        (Literal["fast", "slow"], "slwo", "must be one of fast, slow, got 'slwo'"), (Colour, "red", "must be one of RED, GREEN, got 'red'"),
        (int | None, "x", "must be int or None, got 'x'"), (list[int], "[1", r"must be list\[int\] written as JSON, got '\[1'"),
        (list[int], '["a"]', r"must be list\[int\], got"), (tuple[int, int], "[1]", r"must be tuple\[int, int\], got"), (dict[str, float], "[]", r"must be dict\[str, float\], got"),
    ],
)  # fmt: skip
def test_a_flag_that_is_no_value_of_its_type_says_what_it_must_be(annotation: Any, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        from_text(annotation, text)


@pytest.mark.parametrize("annotation", [int, float, bool, str, Path, Literal["fast"], Colour, int | None, None])
def test_the_sample_of_a_type_is_a_value_of_it(annotation: Any) -> None:
    assert accepts(annotation, from_text(annotation, sample(annotation)))


@pytest.mark.parametrize("annotation", [list[int], list, tuple[int, int], dict[str, int], set[int]])
def test_the_sample_of_a_container_is_quoted_json(annotation: Any) -> None:
    text = sample(annotation)
    assert text[0] == text[-1] == "'"
    assert accepts(annotation, from_text(annotation, text[1:-1]))
