"""The parameters of a flow in its record: as JSON there, and as the flow's own types when it is traced again."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from fairlead.authoring.annotations import accepts, from_text


def recorded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as JSON holds them; one that it can't hold is left out."""
    found = {name: _plain(value) for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not _NOT_PLAIN}


def revived(signature: inspect.Signature, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return recorded parameters with the types that the flow's annotations ask for.

    Raises:
        ValueError: A value fits its annotation no longer.
    """
    known = signature.parameters
    return {name: _revive(known[name].annotation, value) for name, value in values.items() if name in known}


_NOT_PLAIN = object()


def _plain(value: Any) -> Any:
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is int:
        return value if -(2**63) <= value < 2**63 else _NOT_PLAIN
    if type(value) is float:
        return value if value - value == 0 else _NOT_PLAIN
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, os.PathLike) and isinstance(os.fspath(value), str):
        return os.fspath(value)
    if type(value) in (list, tuple):
        items = [_plain(item) for item in value]
        return _NOT_PLAIN if _NOT_PLAIN in items else items
    if type(value) is dict and all(type(key) is str for key in value):
        named = {key: _plain(item) for key, item in value.items()}
        return _NOT_PLAIN if _NOT_PLAIN in named.values() else named
    return _NOT_PLAIN


def _revive(annotation: Any, value: Any) -> Any:
    if accepts(annotation, value):
        return value
    return from_text(annotation, value if isinstance(value, str) else msgspec.json.encode(value).decode())
