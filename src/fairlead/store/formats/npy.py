"""NumPy arrays as ``.npy`` files, mapped back; NumPy scalars as arrays without dimensions.

Follows https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. Arrays of Python objects,
of strings of any length and of types that another library registered (bfloat16, for instance) are left to
pickle, and so are subclasses of the array.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fairlead.specs.values import Ref
from fairlead.store.formats.protocol import Unfit

if TYPE_CHECKING:
    import numpy as np

_SMALL = 1 << 16
"""Smaller files are read, not mapped: a mapping costs two pages and a descriptor for a moment."""

_HEADER = 1 << 20
"""Bytes of a header that are read; NumPy's own limit of 10,000 is for files of strangers."""


class Npy:
    """Arrays; they come back read-only, in the same memory order."""

    name = "numpy"

    def accepts(self, value: Any) -> bool:
        """Say whether this is a plain array of numbers, times, or text and records of fixed size."""
        import numpy as np  # lazy: numpy, 200 ms

        return type(value) is np.ndarray and _is_plain(value.dtype)

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write the array in slices of some megabytes, whatever its memory order."""
        write_array(value, file)

    def read(self, path: Path, ref: Ref) -> Any:
        """Map the array read-only."""
        return read_array(path)


class NpyScalar:
    """NumPy scalars, which come back as scalars."""

    name = "numpy-scalar"

    def accepts(self, value: Any) -> bool:
        """Say whether this is a scalar that an array without dimensions holds."""
        import numpy as np  # lazy: numpy, 200 ms

        return isinstance(value, np.generic) and type(value) is value.dtype.type and _is_plain(value.dtype)

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write it as an array without dimensions."""
        import numpy as np  # lazy: numpy, 200 ms

        array = np.asarray(value)
        if type(array[()]) is not type(value):
            raise Unfit("an array doesn't give this scalar back")
        write_array(array, file)

    def read(self, path: Path, ref: Ref) -> Any:
        """Read the array, and take the scalar out."""
        return read_array(path)[()]


def write_array(array: np.ndarray[Any, Any], file: BinaryIO) -> None:
    """Write one ``.npy`` file without a copy of the whole array."""
    import numpy as np  # lazy: numpy, 200 ms
    from numpy.lib import format as npy

    described = npy.dtype_to_descr(array.dtype)
    if npy.descr_to_dtype(described) != array.dtype or len(repr(described)) > _HEADER // 2:
        raise Unfit("the .npy header can't describe its dtype")
    if array.dtype.names is None and (array.flags.c_contiguous or array.flags.f_contiguous):
        # What lies in order is handed over where it lies. NumPy would copy it block by block, which takes
        # three times as long as hashing it.
        npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(array))
        flat = (array if array.flags.c_contiguous else array.T).reshape(-1)
        file.write(flat.view(np.uint8).data if array.itemsize else b"")
        return
    # The oldest version that takes the header, as NumPy chooses it too, but with a warning.
    text = repr(described)
    version = (3, 0) if not text.isascii() else (2, 0) if len(text) > 60_000 else (1, 0)
    npy.write_array(file, array, version=version, allow_pickle=False)


def read_array(path: Path) -> np.ndarray[Any, Any]:
    """Map an array read-only, or read it where it is small."""
    import numpy as np  # lazy: numpy, 200 ms

    if path.stat().st_size < _SMALL:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False, max_header_size=_HEADER)
        array.flags.writeable = False
        return array
    mapped = np.load(path, mmap_mode="r", allow_pickle=False, max_header_size=_HEADER)
    return np.asarray(mapped).view(np.ndarray)


def _is_plain(dtype: Any) -> bool:
    """Whether NumPy itself defines the dtype and its bytes say everything."""
    if dtype.metadata is not None or dtype.isalignedstruct:
        return False
    if dtype.subdtype is not None:
        return _is_plain(dtype.subdtype[0])
    if dtype.names is not None:
        return all(_is_plain(field[0]) for field in dtype.fields.values())
    return dtype.kind in "biufcmMSUV" and dtype.isbuiltin != 2


NPY = Npy()
NPY_SCALAR = NpyScalar()
