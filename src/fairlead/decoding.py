"""JSON decoded to a type, in any thread.

msgspec learns a type when it is first asked for it, and the process crashes where two threads ask at once (seen with
0.22.0). Here one thread learns, and the others wait that once.
"""

from __future__ import annotations

import threading
from typing import Any

import msgspec

_learned: set[Any] = set()
_learning = threading.Lock()


def decode_json(data: bytes | bytearray | memoryview | str | msgspec.Raw, form: Any) -> Any:
    """Decode JSON to a type of msgspec; raises as `msgspec.json.decode` does."""
    if form not in _learned:
        with _learning:
            msgspec.json.Decoder(form)
            _learned.add(form)
    return msgspec.json.decode(data, type=form)
