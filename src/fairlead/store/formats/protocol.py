"""What a format is: the seam between Python values and the bytes of an object.

A format never sees the store. It is handed a file to write to, and a local path to read from; where the
bytes lie, how they are hashed and when they are checked is the business of `fairlead.store.values`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, Protocol

from fairlead.specs.values import Ref


class Unfit(Exception):
    """Raised by `Format.write` for a value that turns out not to fit; the next format is tried.

    What was written before it is dropped.
    """


class Format(Protocol):
    """One way to write values, readable without Fairlead wherever that is possible.

    A format has no state: its methods are called from several threads at once. Equal values give equal
    bytes, in every process, because an object's name is the hash of its bytes.
    """

    @property
    def name(self) -> str:
        """What references say in `Ref.format`: lower case, never changed once used."""

    def accepts(self, value: Any) -> bool:
        """Say, cheaply, whether this format is for such a value; `write` may still raise `Unfit`."""

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write the value from the front; the file can't seek, nor be read."""

    def read(self, path: Path, ref: Ref) -> Any:
        """Read the value back; the file is never changed, and may be mapped for as long as the value lives."""


class Whole:
    """A format that makes and reads its bytes in one piece: the shortest way for small values.

    A subclass gives `name`, `accepts`, `encode` and `decode`.
    """

    name: str

    def accepts(self, value: Any) -> bool:
        """Say whether this format is for such a value."""
        raise NotImplementedError

    def encode(self, value: Any) -> bytes:
        """Make the bytes, or raise `Unfit`."""
        raise NotImplementedError

    def decode(self, data: bytes, ref: Ref) -> Any:
        """Make the value of bytes that were verified."""
        raise NotImplementedError

    def write(self, value: Any, file: BinaryIO) -> None:
        """Write what `encode` makes."""
        file.write(self.encode(value))

    def read(self, path: Path, ref: Ref) -> Any:
        """Decode the whole file."""
        return self.decode(path.read_bytes(), ref)
