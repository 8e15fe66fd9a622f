"""Named arrays and torch tensors as safetensors files."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from fairlead.store.values import Values

ARRAYS = {"z": np.arange(3), "a": np.ones((2, 2), np.float32), "größe": np.array(True), "none": np.zeros((0, 3))}


def same(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert (type(left), list(left)) == (type(right), list(right))
    for name, array in right.items():
        assert (type(left[name]), left[name].dtype, left[name].shape) == (type(array), array.dtype, array.shape)
        assert np.array_equal(np.asarray(left[name]), np.asarray(array))


@pytest.mark.parametrize(
    "arrays",
    [ARRAYS, OrderedDict(ARRAYS), {"t": np.arange(6).reshape(2, 3).T, "s": np.arange(9)[::2]}, {"x": np.ones(400_000)}],
    ids=["mixed", "ordered", "not contiguous", "large"],
)
def test_dicts_of_arrays(there_and_back: Any, arrays: Any) -> None:
    format, back = there_and_back(arrays)
    assert format == "safetensors"
    same(back, arrays)
    assert not any(array.flags.writeable for array in back.values())


@pytest.mark.parametrize(
    "value",
    [
        {"a": np.arange(3), "b": 1},
        {1: np.arange(3)},
        {"a": np.array([1j])},
        {"a": np.array([1], ">i4")},
        {"a": np.array(["x"])},
        {"__metadata__": np.arange(3)},
        {"a": {"b": np.arange(3)}},
    ],
)
def test_other_dicts_are_left_to_pickle(there_and_back: Any, value: Any) -> None:
    format, back = there_and_back(value)
    assert format == "pickle"
    assert repr(back) == repr(value)


def test_the_order_of_names_is_part_of_the_value(values: Values) -> None:
    assert values.save({"a": ARRAYS["a"], "z": ARRAYS["z"]}) != values.save({"z": ARRAYS["z"], "a": ARRAYS["a"]})


def test_the_library_of_the_format_reads_it(values: Values) -> None:
    reader = pytest.importorskip("safetensors.numpy")
    read = reader.load_file(values.path(values.save(ARRAYS)))
    assert {name: array.tolist() for name, array in read.items()} == {n: a.tolist() for n, a in ARRAYS.items()}


def test_jax(there_and_back: Any) -> None:
    jnp = pytest.importorskip("jax.numpy")
    arrays = {"w": jnp.ones((2, 3)), "b": jnp.arange(3, dtype=jnp.bfloat16), "n": jnp.zeros((), "int32")}
    format, back = there_and_back(arrays)
    assert format == "safetensors"
    same(back, arrays)
    assert there_and_back({"w": jnp.ones(3), "x": np.ones(3)})[0] == "pickle"


def test_torch(there_and_back: Any) -> None:
    torch = pytest.importorskip("torch")
    for tensor in (torch.randn(3, 4).T, torch.tensor(1.5), torch.zeros(0, 3), torch.randn(4).bfloat16()):
        format, back = there_and_back(tensor)
        assert (format, back.dtype, back.shape) == ("safetensors", tensor.dtype, tensor.shape)
        assert torch.equal(back, tensor)
    state = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).state_dict()
    format, back = there_and_back(state)
    assert (format, type(back), list(back)) == ("safetensors", OrderedDict, list(state))
    back["0.weight"].add_(1)
    assert torch.equal(there_and_back(state)[1]["0.weight"], state["0.weight"])
    for tensor in (torch.ones(2, requires_grad=True), torch.nn.Parameter(torch.ones(2)), torch.ones(3).to_sparse()):
        format, back = there_and_back(tensor)
        assert (format, type(back), back.requires_grad) == ("pickle", type(tensor), tensor.requires_grad)
