"""References to stored values."""

from __future__ import annotations

import msgspec


class Ref(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A stored, immutable value: where its bytes are, and how to read them.

    Attributes:
        digest: SHA-256 of the bytes, hexadecimal; they lie at ``objects/<digest>``.
        format: How the bytes are written: ``json``, ``numpy``, ``arrow``, ``pickle``, …
        size_bytes: How many bytes they are.
        type: The value's Python type as ``module.qualname``.
        name: The file's name, for files and folders.
    """

    digest: str
    format: str
    size_bytes: int
    type: str = ""
    name: str | None = None
