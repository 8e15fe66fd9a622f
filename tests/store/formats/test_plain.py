"""JSON and bytes: exact, or not taken."""

from __future__ import annotations

import enum
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.store.backends import Folder
from fairlead.store.values import Values

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5), max_leaves=20
)


def is_same(left: Any, right: Any) -> bool:
    """Compare type for type, order for order, with NaN equal to NaN and -0.0 unlike 0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return repr(left) == repr(right)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(is_same, left, right))
    if isinstance(left, dict):
        return is_same(list(left.items()), list(right.items()))
    return bool(left == right)


@given(json_values)
def test_json_comes_back_exactly(there_and_back: Any, value: Any) -> None:
    _, back = there_and_back(value)
    assert is_same(back, value)


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    pass


DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        [(1,)],
        {1: "a"},
        {"a": {None: 1}},
        Colour.RED,
        [Text("x")],
        {Text("x"): 1},
        {1, 2},
        1 << 3000,
        [1 << 3000],
    ],
)
def test_what_json_would_change_is_left_to_pickle(there_and_back: Any, value: Any) -> None:
    format, back = there_and_back(value)
    assert format == "pickle"
    assert is_same(back, value)


@pytest.mark.parametrize("text", ["\ud800", "\ud83d\ude00", ["a", "\udfff"], {"\ud800": 1}])
def test_text_that_utf8_cannot_hold_is_left_to_pickle(there_and_back: Any, text: Any) -> None:
    assert there_and_back(text) == ("pickle", text)


def test_deep_values_are_left_to_pickle(there_and_back: Any) -> None:
    format, back = there_and_back(DEEP)
    assert format == "pickle"
    while back:
        back = back[0]


def test_cycles_are_left_to_pickle(there_and_back: Any) -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    format, back = there_and_back(cycle)
    assert format == "pickle"
    assert back[1] is back


def test_a_list_that_json_would_write_a_billion_times_is_left_to_pickle(there_and_back: Any) -> None:
    value: list[Any] = ["lol"] * 10
    for _ in range(40):
        value = [value, value]
    assert there_and_back(value)[0] == "pickle"


def test_a_list_at_two_places_is_written_twice(there_and_back: Any) -> None:
    row = [0, 1]
    assert there_and_back([row, row]) == ("json", [[0, 1], [0, 1]])


def test_json_is_readable_without_us(values: Values) -> None:
    ref = values.save({"naïve": [1, 2.5, None, True, math.inf]})
    assert json.loads(values.path(ref).read_text("utf-8")) == {"naïve": [1, 2.5, None, True, math.inf]}
    assert (ref.format, ref.type, ref.name) == ("json", "builtins.dict", None)


@pytest.mark.parametrize("data", [b"", b"abc", bytes(3 << 20)], ids=["empty", "small", "large"])
def test_bytes_are_kept_as_they_are(values: Values, data: bytes) -> None:
    ref = values.save(data)
    assert (ref.format, ref.size_bytes) == ("bytes", len(data))
    assert values.path(ref).read_bytes() == data == values.load(ref)


def test_large_json_comes_back(there_and_back: Any) -> None:
    value = [{"index": index, "name": "x" * 10} for index in range(50_000)]
    assert there_and_back(value) == ("json", value)


def test_bytearray_keeps_its_type(there_and_back: Any) -> None:
    assert there_and_back(bytearray(b"abc")) == ("pickle", bytearray(b"abc"))


def test_small_values_import_nothing_heavy(tmp_path: Any) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from fairlead.store.values import Values;"
        "from fairlead.store.backends import Folder;"
        "v = Values(Folder(Path(sys.argv[1])), Path(sys.argv[2])); assert v.load(v.save({'a': 1})) == {'a': 1};"
        "print([m for m in ('numpy', 'pandas', 'pyarrow', 'torch', 'jax', 'importlib.metadata', 'threading')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import site; site.main();" + code, tmp_path / "s", tmp_path / "h"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() in ("[]", "['threading']")  # threading: where the interpreter's start brings it


def test_folder_backends_are_given_protected_objects(tmp_path: Any) -> None:
    values = Values(Folder(tmp_path / "store"), tmp_path / "host")
    for value in (1, bytes(2 << 20)):
        assert values.path(values.save(value)).stat().st_mode & 0o777 == 0o444
