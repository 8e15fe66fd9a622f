"""Formats of artifacts: how values of a type are stored, for those who bring types of their own."""

from __future__ import annotations

from fairlead.store.formats.protocol import Format
from fairlead.store.formats.registry import register

__all__ = ["Format", "register"]
