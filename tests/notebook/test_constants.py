"""Values as source."""

from __future__ import annotations

import base64
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from fairlead.notebook.constants import CONSTANT_BYTES_MAX, NotExportable, literal, pickled

scalars = some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text() | some.binary()
literals = some.recursive(
    scalars,
    lambda inner: (
        some.lists(inner) | some.dictionaries(scalars, inner) | some.tuples(inner, inner) | some.frozensets(scalars)
    ),
    max_leaves=20,
)


@given(literals)
def test_a_literal_is_the_value_again(value: Any) -> None:
    text = literal(value)
    assert text is not None
    found = eval(text)
    assert found == value
    assert repr(found) == repr(value) or isinstance(value, frozenset | list | tuple | dict)


@given(some.frozensets(some.text()))
def test_the_text_of_a_set_is_sorted(value: frozenset[str]) -> None:
    assert literal(value) == literal(frozenset(sorted(value, reverse=True)))


@pytest.mark.parametrize("value", [np.float64(1.0), [object()], {1: np.zeros(1)}, range(3)])
def test_what_is_no_literal(value: Any) -> None:
    assert literal(value) is None


def test_a_list_that_holds_itself_is_no_literal_and_still_goes() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert literal(loop) is None
    found = eval(pickled(loop, lambda code: None), {"pickle": pickle, "base64": base64})
    assert found[0] is found


def test_what_is_larger_is_refused_before_it_is_written() -> None:
    with pytest.raises(NotExportable, match="larger than 64 KiB"):
        pickled(np.zeros(CONSTANT_BYTES_MAX), lambda code: None)


def test_classes_in_a_pickle_are_told() -> None:
    told: list[Any] = []
    pickled(np.zeros(3), told.append)
    assert np.dtype in told
