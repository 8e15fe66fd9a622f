"""Pickle, for whatever no other format holds: readable by Python only, and by the same classes only."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from fairlead.errors import FairleadError
from fairlead.specs.values import Ref

PROTOCOL = 5

_ERRORS = (pickle.PickleError, TypeError, AttributeError, ValueError, RuntimeError, ImportError)
"""What refusing values raise; any other error is the value's own, and is passed on as it is."""

_TRIES = 500
"""Parts that are pickled, at most, to find the one at fault."""


class Pickle:
    """Any value that Python can pickle; NumPy's and Arrow's buffers are written without a copy."""

    name = "pickle"

    def accepts(self, value: Any) -> bool:
        """Accept everything: this is the last format that is asked."""
        return True

    def write(self, value: Any, file: BinaryIO) -> None:
        """Pickle the value, or say which part of it can't be."""
        try:
            pickle.Pickler(file, PROTOCOL).dump(value)
        except _ERRORS as error:
            raise _refusal(value, error) from error

    def read(self, path: Path, ref: Ref) -> Any:
        """Unpickle the value; its classes must be importable."""
        with path.open("rb") as file:
            return _Unpickler(file, ref).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, ref: Ref) -> None:
        super().__init__(file)
        self._ref = ref

    def find_class(self, module: str, name: str) -> Any:
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError) as error:
            raise FairleadError(
                f"cannot load a stored value of type {self._ref.type}: there is no {name} in module {module}",
                where=f"object {self._ref.digest}",
                why=str(error),
                next=_missing(module, name, error),
            ) from error


def _missing(module: str, name: str, error: Exception) -> str:
    if module == "__main__":
        return f"define {name} in a module that is imported, not in the file that is run, and run the step again"
    if isinstance(error, ModuleNotFoundError):
        return f"install what provides {error.name}, or put it on the path"
    return f"bring {module}.{name} back, or run the step that made the value again: fairlead rerun"


def _refusal(value: Any, error: Exception) -> FairleadError:
    kind = type(value)
    path, culprit = _culprit(value)
    why = f"{type(error).__name__}: {error}"
    if path:
        why += f"; the part at fault is value{path}, a {type(culprit).__module__}.{type(culprit).__qualname__}"
    return FairleadError(
        f"a value of type {kind.__module__}.{kind.__qualname__} can't be stored",
        why=why,
        next="return its data or a file (pathlib.Path), or register a format: fairlead.artifacts.register",
    )


class _Nowhere(io.RawIOBase):
    """A file that forgets, so that looking for the part at fault takes no memory."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return memoryview(data).nbytes


def _culprit(value: Any) -> tuple[str, Any]:
    """Go down to the innermost part that can't be pickled, and say how it is reached."""
    path, tries = "", _TRIES
    while True:
        for step, part in _parts(value):
            tries -= 1
            if tries < 0:
                return path, value
            if not _can_pickle(part):
                path, value = path + step, part
                break
        else:
            return path, value


def _can_pickle(value: Any) -> bool:
    try:
        pickle.Pickler(_Nowhere(), PROTOCOL).dump(value)
    except _ERRORS:
        return False
    return True


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"[{key!r:.40}]", item
    elif isinstance(value, list | tuple):
        yield from ((f"[{index}]", item) for index, item in enumerate(value))
    elif isinstance(value, set | frozenset):
        yield from (("{…}", item) for item in value)
    elif not isinstance(value, type) and getattr(type(value), "__reduce_ex__", None) is object.__reduce_ex__:
        # A class that says itself what to pickle may leave out the attribute that would be named here.
        try:
            state = value.__getstate__() if hasattr(value, "__getstate__") else getattr(value, "__dict__", None)
        except _ERRORS:  # it refuses itself, as an open file does from Python 3.14 on: no part of it is at fault
            return
        yield from _attributes(state)


def _attributes(state: Any) -> Iterator[tuple[str, Any]]:
    for each in state if isinstance(state, tuple) else (state,):
        if isinstance(each, dict):
            yield from ((f".{name}", item) for name, item in each.items())


PICKLE = Pickle()
