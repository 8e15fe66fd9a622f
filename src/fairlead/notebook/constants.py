"""Values that cells computed, as source: literals as they are written, small other values as a pickle."""

from __future__ import annotations

import base64
import io
import pickle
from collections.abc import Callable
from types import FunctionType
from typing import Any

CONSTANT_BYTES_MAX = 64 * 1024
"""The largest value that goes with the code: a table of settings does, data are inputs of steps."""


class NotExportable(Exception):
    """A value can't go with the code; the message says why, as the end of a sentence about it."""


def literal(value: Any) -> str | None:
    """Write a value as a Python literal; None where it is no literal, or holds what is none."""
    kind = type(value)
    if value is None or kind in (bool, str, bytes):
        return repr(value)
    if kind is int:
        return hex(value) if abs(value) > 1 << 64 else repr(value)
    if kind is float:
        return repr(value) if value - value == 0 else f"float({str(value)!r})"
    try:
        return _container(value, kind)
    except RecursionError:  # it holds itself
        return None


def pickled(value: Any, adopt: Callable[[Any], None]) -> str:
    """Write an expression that restores a value from its pickle.

    Args:
        value: The value.
        adopt: Is told of each function and class of the cells that the pickle refers to, before it does.

    Raises:
        NotExportable: It is too large, or can't be pickled.
    """
    sink = _Bounded()
    try:
        _Pickler(sink, adopt).dump(value)
    except _TooLarge:
        raise NotExportable(f"is larger than {CONSTANT_BYTES_MAX // 1024} KiB") from None
    except Exception as error:  # an object's own reduction may raise anything
        reason = str(error).splitlines() or [type(error).__name__]
        raise NotExportable(f"can't be pickled ({reason[0]})") from error
    return f"pickle.loads(base64.b85decode({base64.b85encode(sink.getvalue())!r}))"


def _container(value: Any, kind: type) -> str | None:
    if kind is dict:
        pairs = [(literal(key), literal(each)) for key, each in value.items()]
        return (
            None if any(None in pair for pair in pairs) else f"{{{', '.join(f'{key}: {each}' for key, each in pairs)}}}"
        )
    if kind not in (list, tuple, set, frozenset):
        return None
    items = [literal(each) for each in value]
    written = [each for each in items if each is not None]
    if len(written) != len(items):
        return None
    if kind is list:
        return f"[{', '.join(written)}]"
    if kind is tuple:
        return f"({', '.join(written)}{',' if len(written) == 1 else ''})"
    return f"{kind.__name__}([{', '.join(sorted(written))}])"  # sorted: the same text whatever the hash seed


class _TooLarge(Exception):
    pass


class _Bounded(io.BytesIO):
    """A file that refuses to grow beyond what may be exported, so that gigabytes are not written to learn it."""

    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > CONSTANT_BYTES_MAX:
            raise _TooLarge
        return super().write(data)


class _Pickler(pickle.Pickler):
    def __init__(self, sink: io.BytesIO, adopt: Callable[[Any], None]) -> None:
        super().__init__(sink, protocol=5)
        self._adopt = adopt

    def persistent_id(self, value: Any) -> None:
        """Tell of code; nothing is pickled in another way than usual."""
        if isinstance(value, FunctionType | type):
            self._adopt(value)
