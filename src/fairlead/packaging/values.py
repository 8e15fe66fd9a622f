"""Digests of values by content: the same in every process, whatever the hash seed and the folder of the project."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from fairlead.naming import digest_bytes
from fairlead.packaging.trees import constant_text

Describe = Callable[[Any], str]
"""Describes a function, a class or a module by its code; it need not be picklable."""


def value_digest(value: Any, root: str, describe: Describe) -> str | None:
    """Digest a value: canonical JSON where it is exactly JSON, else its pickle; None where it has none.

    Args:
        value: Any value.
        root: The project's root. Paths below it count relative to it, so that a digest travels.
        describe: What stands for functions, classes and modules in it.
    """
    try:
        text = _json(value, root)
    except (_NotJsonError, RecursionError):  # pickle can write a list that holds itself
        return _pickle_digest(value, root, describe)
    return digest_bytes(b"json ", text.encode("utf-8", "surrogatepass"))


def is_code(value: Any) -> bool:
    """Say whether a value is described by its code."""
    return isinstance(value, FunctionType | BuiltinFunctionType | type | ModuleType) or is_decorated(value)


def is_decorated(value: Any) -> bool:
    """Say whether a value is a step or flow, which stands for its function."""
    return type(value).__module__.startswith("fairlead.") and callable(getattr(value, "function", None))


def code_digest(code: CodeType) -> str:
    """Digest compiled code, for a function whose source can't be had. Differs between versions of Python."""
    constants = [code_digest(each) if isinstance(each, CodeType) else constant_text(each) for each in code.co_consts]
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return digest_bytes(code.co_code, repr((constants, names, code.co_flags)).encode("utf-8", "surrogatepass"))


class _NotJsonError(Exception):
    pass


def _json(value: Any, root: str) -> str:
    """Write JSON with sorted keys; numbers keep their type: 1, 1.0 and true differ."""
    kind = type(value)
    if value is None or kind is bool:
        return repr(value)
    if kind is int or (kind is float and value - value == 0):
        return constant_text(value)
    if kind is str:
        return repr(_portable(value, root))
    if kind is list:
        return f"[{','.join(_json(each, root) for each in value)}]"
    if kind is dict and all(type(key) is str for key in value):
        return f"{{{','.join(f'{key!r}:{_json(value[key], root)}' for key in sorted(value))}}}"
    raise _NotJsonError


def _portable(text: str, root: str) -> str:
    if text == root or text.startswith(root + os.sep):
        return "\0root" + text[len(root) :].replace(os.sep, "/")
    return text


def _pickle_digest(value: Any, root: str, describe: Describe) -> str | None:
    sink = _Sink()
    try:
        _Pickler(sink, root, describe).dump(value)
    except Exception:  # an object's own reduction may raise anything: then it has no content that we could read
        return None
    return sink.digest()


class _UnreadableError(Exception):
    pass


class _Sink:
    """A file that keeps only the digest of what is written to it."""

    def __init__(self) -> None:
        self._state = hashlib.sha256(b"pickle ")

    def write(self, data: Any) -> int:
        self._state.update(data)
        return len(data)

    def digest(self) -> str:
        return self._state.hexdigest()


class _Pickler(pickle.Pickler):
    """Pickles values, with what differs between processes put in a fixed form."""

    def __init__(self, sink: _Sink, root: str, describe: Describe) -> None:
        super().__init__(sink, protocol=5)
        self._root = root
        self._describe = describe

    def persistent_id(self, value: Any) -> Any:
        """Return what stands for a value, or None where it is pickled as usual."""
        kind = type(value)
        if kind is set or kind is frozenset:
            return kind.__name__, sorted(map(self._digest, value))
        if kind is str and _portable(value, self._root) is not value:
            return "path", _portable(value, self._root)
        if isinstance(value, PurePath) and (text := str(value)) != _portable(text, self._root):
            return "path", _portable(text, self._root)
        return ("code", self._describe(value)) if is_code(value) else None

    def _digest(self, value: Any) -> str:
        digest = value_digest(value, self._root, self._describe)
        if digest is None:
            raise _UnreadableError
        return digest
