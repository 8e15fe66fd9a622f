"""NumPy and JAX arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fairlead.errors import FairleadError
from fairlead.store.values import Values

dtypes = (
    hnp.scalar_dtypes() | hnp.byte_string_dtypes() | hnp.unicode_string_dtypes() | hnp.array_dtypes(max_size=3)
)  # fmt: skip


def same(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> None:
    assert type(left) is type(right)
    assert (left.dtype, left.shape) == (right.dtype, right.shape)
    assert left.tobytes() == right.tobytes()


@settings(deadline=None)
@given(st.data())
def test_arrays_come_back_exactly(there_and_back: Any, data: Any) -> None:
    array = data.draw(hnp.arrays(data.draw(dtypes), hnp.array_shapes(min_dims=0, min_side=0, max_side=4)))
    array = np.asfortranarray(array) if data.draw(st.booleans()) else array
    format, back = there_and_back(array)
    assert format == "numpy"
    same(back, array)


@pytest.mark.parametrize("size", [7, 300], ids=["read", "mapped"])
@pytest.mark.parametrize(
    "cut",
    [lambda a: a, lambda a: a.T, lambda a: a[::2], lambda a: a[::-1, 1:], lambda a: np.broadcast_to(a[0], a.shape)],
    ids=["c", "fortran", "strided", "backwards", "broadcast"],
)
def test_every_memory_order(there_and_back: Any, size: int, cut: Any) -> None:
    array = cut(np.arange(size * (size + 1), dtype=np.float64).reshape(size, -1))
    format, back = there_and_back(array)
    assert format == "numpy"
    same(back, array)
    assert not back.flags.writeable
    assert back.flags.f_contiguous == (array.flags.f_contiguous and not array.flags.c_contiguous)


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, "a"], dtype=object),
        np.zeros(2, [("a", object)]),
        np.ma.masked_array([1, 2], [True, False]),
        np.array(["a", "bc"], dtype=np.dtypes.StringDType()),
        np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    ],
    ids=["objects", "record with objects", "masked", "variable text", "aligned"],
)
def test_what_a_file_would_change_is_left_to_pickle(there_and_back: Any, array: Any) -> None:
    format, back = there_and_back(array)
    assert format == "pickle"
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


def test_long_headers_and_names_that_are_not_ascii(there_and_back: Any) -> None:
    for names in (["größe", "日本"], [f"field{number:05}" for number in range(5000)]):
        array = np.zeros(3, [(name, "f8") for name in names])
        format, back = there_and_back(array)
        assert format == "numpy"
        same(back, array)


def test_types_of_other_libraries_are_left_to_pickle(there_and_back: Any) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.arange(3).astype(ml_dtypes.bfloat16)
    format, back = there_and_back(array)
    assert format == "pickle"
    same(back, array)


@pytest.mark.parametrize(
    "scalar",
    [np.float64(1.5), np.float32(-0.0), np.int8(3), np.bool_(True), np.str_("ü"), np.bytes_(b"x"), np.complex64(1j),
     np.datetime64("2020-01-01T00:00", "m"), np.timedelta64(3, "s")],
    ids=lambda scalar: type(scalar).__name__,
)  # fmt: skip
def test_scalars_come_back_as_scalars(there_and_back: Any, scalar: Any) -> None:
    format, back = there_and_back(scalar)
    assert format == "numpy-scalar"
    assert type(back) is type(scalar)
    assert (back, back.dtype) == (scalar, scalar.dtype)


def test_arrays_without_dimensions_come_back_as_arrays(there_and_back: Any) -> None:
    assert type(there_and_back(np.array(1.5))[1]) is np.ndarray


def test_files_are_readable_without_us(values: Values) -> None:
    array = np.random.default_rng(0).random((200, 300))
    same(np.load(values.path(values.save(array))), array)


def test_jax_arrays_come_back_as_jax_arrays(there_and_back: Any) -> None:
    jax = pytest.importorskip("jax")
    for array in (jax.numpy.arange(6).reshape(2, 3), jax.numpy.float32(1.5) * jax.numpy.ones(())):
        format, back = there_and_back(array)
        assert format == "jax"
        assert type(back) is type(array)
        assert (back.dtype, back.shape, back.weak_type) == (array.dtype, array.shape, False)
        assert (back == array).all()


def test_jax_arrays_that_numpy_lacks_are_left_to_pickle(there_and_back: Any) -> None:
    jnp = pytest.importorskip("jax.numpy")
    for array in (jnp.ones(3, jnp.bfloat16), jnp.asarray(1.0)):
        format, back = there_and_back(array)
        assert (format, back.dtype, back.weak_type) == ("pickle", array.dtype, array.weak_type)


def test_jax_in_32_bits_refuses_to_halve_the_precision(values: Values) -> None:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        ref = values.save(jax.numpy.ones(3, "float64"))
        assert values.load(ref).dtype == "float64"
    with pytest.raises(FairleadError, match="JAX_ENABLE_X64"):
        values.load(ref)
