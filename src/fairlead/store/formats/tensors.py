"""Torch tensors, and dicts of named arrays of one library, as safetensors files.

Follows https://github.com/huggingface/safetensors#format: eight bytes with the length of the header, the
header in JSON, then the tensors without gaps. It is written and read here rather than through the library,
which copies every tensor on the way out and on the way in, and writes the header's entries in random order;
a test reads these files with it.
"""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any, BinaryIO

from fairlead.errors import DamagedError
from fairlead.specs.values import Ref
from fairlead.store.formats.protocol import Unfit

_TYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "C64": "complex64",
}  # fmt: skip
_NAMES = {name: code for code, name in _TYPES.items()}
_ONE = "tensor"
"""The name under which a tensor that is not in a dict lies in its file."""


class Safetensors:
    """One torch tensor, or a dict (or OrderedDict) from names to arrays, all of NumPy, of JAX or of torch."""

    name = "safetensors"

    def accepts(self, value: Any) -> bool:
        """Say whether all arrays are of one library, of plain types, and need no gradient."""
        if not isinstance(value, dict):
            return _library(value) == "torch"
        libraries = {_library(item) for item in value.values()}
        return len(libraries) == 1 and "" not in libraries and set(map(type, value)) == {str}

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write the header, then each tensor in slices; the largest elements first, so that all are aligned."""
        arrays = value if isinstance(value, dict) else {_ONE: value}
        library = _library(next(iter(arrays.values())))
        order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
        header = json.dumps(_header(arrays, order, library), separators=(",", ":")).encode("ascii")
        header += b" " * (-len(header) % 8)
        file.write(len(header).to_bytes(8, "little") + header)
        for name in order:
            file.write(_bytes_of(arrays[name], library))

    def read(self, path: Path, ref: Ref) -> Any:
        """Map the file, and make arrays that are views of it (JAX's are copies, on the default device)."""
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            try:
                header = json.loads(file.read(length))
                about = json.loads(header.pop("__metadata__")["fairlead"])
            except (ValueError, KeyError) as error:
                raise DamagedError("not a safetensors file of Fairlead's", where=f"object {ref.digest}") from error
            # torch has no read-only tensors: what is written to them stays in this process's own pages.
            access = mmap.ACCESS_COPY if about["library"] == "torch" else mmap.ACCESS_READ
            mapped = mmap.mmap(file.fileno(), 0, access=access)
        make = {"torch": _make_torch, "jax": _make_jax, "numpy": _make_numpy}[about["library"]]
        values = {name: make(mapped, 8 + length, header[name]) for name in about["names"]}
        if not ref.type.startswith(("builtins.", "collections.")):
            return values[_ONE]
        from collections import OrderedDict

        return OrderedDict(values) if ref.type.endswith("OrderedDict") else values


def _library(value: Any) -> str:
    """Name the library of a plain array, from its class's module only; empty for anything else."""
    kind = type(value)
    root = kind.__module__.partition(".")[0]
    if root == "numpy" and kind.__qualname__ == "ndarray":
        return "numpy" if value.dtype.name in _NAMES and value.dtype.isnative else ""
    if root in ("jaxlib", "jax") and kind.__qualname__ == "ArrayImpl":
        return "jax" if value.dtype.name in _NAMES and value.is_fully_addressable and not value.weak_type else ""
    if root == "torch" and kind.__qualname__ == "Tensor":
        plain = str(value.layout) == "torch.strided" and not value.requires_grad and value.device.type != "meta"
        return "torch" if plain and str(value.dtype)[6:] in _NAMES else ""
    return ""


def _header(arrays: dict[str, Any], order: list[str], library: str) -> dict[str, Any]:
    if "__metadata__" in arrays:
        raise Unfit("a name that the format keeps for itself")
    # One key: the format's own readers and writers keep no order among several.
    about = json.dumps({"library": library, "names": list(arrays)}, separators=(",", ":"))
    header: dict[str, Any] = {"__metadata__": {"fairlead": about}}
    end = 0
    for name in order:
        array = arrays[name]
        start, end = end, end + _size(array)
        code = _NAMES[str(array.dtype).removeprefix("torch.")]
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [start, end]}
    return header


def _size(array: Any) -> int:
    size = int(array.dtype.itemsize)
    for length in array.shape:
        size *= length
    return size


def _bytes_of(array: Any, library: str) -> memoryview:
    """Give an array's bytes in C order, without a copy where it lies so."""
    import numpy as np  # lazy: numpy, 200 ms

    if library == "torch":
        import torch  # lazy: torch, 2 s

        plain = array.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        return memoryview(plain.view(torch.uint8).numpy().data)
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _make_numpy(mapped: mmap.mmap, offset: int, entry: dict[str, Any]) -> Any:
    import numpy as np  # lazy: numpy, 200 ms

    name = _TYPES[entry["dtype"]]
    if name.startswith(("bfloat", "float8")):
        import ml_dtypes  # lazy: ml_dtypes, 60 ms

        name = getattr(ml_dtypes, name)
    start, end = entry["data_offsets"]
    whole = np.frombuffer(mapped, np.uint8, end - start, offset + start)
    return whole.view(np.dtype(name)).reshape(entry["shape"])


def _make_jax(mapped: mmap.mmap, offset: int, entry: dict[str, Any]) -> Any:
    import jax.numpy as jnp  # lazy: jax, 1500 ms

    from fairlead.store.formats.jax_npy import as_jax

    return as_jax(_make_numpy(mapped, offset, entry), jnp)


def _make_torch(mapped: mmap.mmap, offset: int, entry: dict[str, Any]) -> Any:
    import torch  # lazy: torch, 2 s

    dtype = getattr(torch, _TYPES[entry["dtype"]])
    start, end = entry["data_offsets"]
    if start == end:
        return torch.empty(entry["shape"], dtype=dtype)
    whole = torch.frombuffer(mapped, dtype=torch.uint8, count=end - start, offset=offset + start)
    return whole.view(dtype).reshape(entry["shape"])


SAFETENSORS = Safetensors()
