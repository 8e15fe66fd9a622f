"""Decoders of JSON, each made once, and by one thread at a time.

msgspec looks into a type when it is first used. A second thread that comes to use it meanwhile finds half of what must
be known, and the process ends with a segmentation fault (seen with msgspec 0.22.0).
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_made: dict[Any, msgspec.json.Decoder[Any]] = {}
_making = threading.Lock()


def decoder(form: type[T]) -> msgspec.json.Decoder[T]:
    """Return the decoder of a type, which any number of threads may use."""
    found = _made.get(form)
    if found is None:
        with _making:
            found = _made.get(form)
            if found is None:
                found = _made[form] = msgspec.json.Decoder(form)
    return found
