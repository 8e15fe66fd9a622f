"""Which formats are tried for a value, found by the names of its classes so that no library is imported.

The built-in formats stand in the same kind of table as those that others register. A package brings its own
with an entry point of the group ``fairlead.formats``, named as the format, whose object is a `Format` with
one attribute more: ``types``, a tuple of ``"module:QualName"``. Formats of packages are asked after the
built-in ones and before pickle; registered ones before all.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from typing import Any, cast

from fairlead.errors import FairleadError, UsageError, nearest
from fairlead.store.formats.protocol import Format

GROUP = "fairlead.formats"

_HERE = "fairlead.store.formats."
_BUILT_IN = {
    "json": "plain:JSON",
    "bytes": "plain:BYTES",
    "numpy": "npy:NPY",
    "numpy-scalar": "npy:NPY_SCALAR",
    "jax": "jax_npy:JAX_NPY",
    "arrow": "arrow:ARROW",
    "safetensors": "tensors:SAFETENSORS",
    "pickle": "pickles:PICKLE",
}
_RESERVED = {*_BUILT_IN, "file", "folder"}

_OF_TYPE = {
    "builtins:NoneType": ("json",),
    "builtins:bool": ("json",),
    "builtins:int": ("json",),
    "builtins:float": ("json",),
    "builtins:str": ("json",),
    "builtins:list": ("json",),
    "builtins:dict": ("json", "safetensors"),
    "builtins:bytes": ("bytes",),
    "numpy:ndarray": ("numpy",),
    "numpy:generic": ("numpy-scalar",),
    "torch:Tensor": ("safetensors",),
    # jaxlib has moved its array class: 0.4.x, then 0.5 and later
    "jaxlib.xla_extension:ArrayImpl": ("jax",),
    "jaxlib._jax:ArrayImpl": ("jax",),
    "jax._src.array:ArrayImpl": ("jax",),
    # pandas 2 says where its classes are written, pandas 3 where they are imported from
    "pandas.core.frame:DataFrame": ("arrow",),
    "pandas.core.series:Series": ("arrow",),
    "pandas:DataFrame": ("arrow",),
    "pandas:Series": ("arrow",),
    "polars.dataframe.frame:DataFrame": ("arrow",),
    "polars.series.series:Series": ("arrow",),
    "pyarrow.lib:Table": ("arrow",),
    "pyarrow.lib:RecordBatch": ("arrow",),
}
"""Formats by class, most wanted first. The formats themselves refuse subclasses."""

_registered_types: dict[str, Format] = {}
_registered: dict[str, Format] = {}
_chosen: dict[type, tuple[Format, ...]] = {}


def register(type_name: str | type, format: Format) -> None:
    """Store values of a class, and of its subclasses, in a format of your own.

    The file that defines the steps is the place to call it: every process that loads such a value needs it.

    Args:
        type_name: The class, or its name as ``"module:QualName"``, which imports nothing.
        format: How such values are written and read. Its name stands in every reference: never change it.

    Raises:
        UsageError: The name is not of that form, or the format's name is one of Fairlead's.
    """
    name = type_name if isinstance(type_name, str) else _name(type_name)
    if ":" not in name:
        raise UsageError(f"cannot register a format for {name!r}", why="a class is named as 'module:QualName'")
    if format.name in _RESERVED:
        raise UsageError(f"cannot register a format named {format.name!r}", why="it is one of Fairlead's own")
    _registered_types[name] = format
    _registered[format.name] = format
    _chosen.clear()


def formats_for(kind: type) -> tuple[Format, ...]:
    """List the formats to try for values of a class: the nearest class first, pickle last."""
    if kind not in _chosen:
        _chosen[kind] = _choose(kind)
    return _chosen[kind]


def _choose(kind: type) -> tuple[Format, ...]:
    names = [_name(each) for each in kind.__mro__]
    found = [_registered_types[name] for name in names if name in _registered_types]
    found += [_built_in(format) for name in names for format in _OF_TYPE.get(name, ())]
    if any(_is_foreign(each) for each in kind.__mro__):
        found += [format for format in _plugins().values() if not set(format.types).isdisjoint(names)]
    return (*found, _built_in("pickle"))


def format_named(name: str) -> Format:
    """Give the format that a reference names.

    Raises:
        FairleadError: No such format is built in, registered or installed.
    """
    if name in _BUILT_IN:
        return _built_in(name)
    found = _registered.get(name) or _plugins().get(name)
    if found is None:
        raise FairleadError(
            f"cannot read a value stored in the format {name!r}",
            why=f"this process has no such format; {nearest(name, [*_RESERVED, *_registered, *_plugins()])}",
            next=f"import the module that registers it, or install the package with the entry point {GROUP}",
        )
    return found


class _Plugin(Format):
    types: Iterable[str]


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


@lru_cache
def _built_in(name: str) -> Format:
    module, _, attribute = _BUILT_IN[name].partition(":")
    return cast(Format, getattr(import_module(_HERE + module), attribute))


def _is_foreign(kind: type) -> bool:
    """Whether the class is from an installed package: only then may one have brought a format for it."""
    root = kind.__module__.partition(".")[0]
    return root not in sys.stdlib_module_names and root != "builtins"


@lru_cache
def _plugins() -> dict[str, Any]:
    from importlib.metadata import entry_points  # lazy: importlib.metadata, 40 ms

    return {each.name: each.load() for each in entry_points(group=GROUP) if each.name not in _RESERVED}
