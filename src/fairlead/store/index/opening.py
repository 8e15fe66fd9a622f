"""Opens the index of runs. This module imports no database library until it is asked to."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.errors import MissingExtra
from fairlead.store.index.addresses import Address, read_address

if TYPE_CHECKING:
    from fairlead.store.index.index import Index


def open_index(url: str | None, home: Path, *, discard_damaged: bool = False) -> Index:
    """Open the index, after creating its database or upgrading it.

    Args:
        url: ``sqlite:///PATH``, ``postgresql://USER:PASSWORD@HOST/DATABASE``, or None.
        home: The folder of all state; ``index.sqlite`` in it is the index where there is no URL.
        discard_damaged: Whether a damaged SQLite file is replaced by an empty one, which must then be rebuilt.

    Raises:
        UsageError: The URL names no such database.
        MissingExtra: PostgreSQL without the library that speaks to it.
        StoreError: The database can't be reached, opened or written.
        DamagedError: It is damaged, another program's, or was upgraded by a newer Fairlead.
    """
    address = read_address(url, home)
    if address.kind == "postgresql":
        _need_psycopg(address)
    from fairlead.store.index.connecting import connect, discard_if_damaged  # lazy: sqlalchemy, 150 ms
    from fairlead.store.index.index import Index

    if discard_damaged:
        discard_if_damaged(address)
    return Index(address, connect(address))


def _need_psycopg(address: Address) -> None:
    missing = MissingExtra("psycopg", "postgres", f"the index {address.shown}")
    if find_spec("psycopg") is None:
        raise missing
    try:
        import psycopg  # noqa: F401  # lazy: psycopg, 40 ms
    except ImportError as error:  # there, but without PostgreSQL's own client library
        raise missing from error
