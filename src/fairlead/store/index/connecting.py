"""Connections to the index's database, set up for an index that any number of processes read and write."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fairlead.errors import StoreError
from fairlead.store.index.addresses import Address
from fairlead.store.index.failures import translated
from fairlead.store.index.locking import locked
from fairlead.store.index.migrating import upgrade

SCHEMA = "fairlead"
"""The PostgreSQL schema of the tables, so that they can share a database with another program's."""

_PRAGMAS = (
    "busy_timeout = 30000",  # ms that a writer waits for another
    "synchronous = NORMAL",  # a loss of power may cost the last rows, which are read from the store again
    "cache_size = -32768",  # KiB
    "temp_store = MEMORY",
)


def connect(address: Address) -> sa.Engine:
    """Connect to a database and have its tables in the present version.

    Raises:
        StoreError, DamagedError: See `fairlead.store.index.opening.open_index`.
    """
    engine = _sqlite(address) if address.path is not None else _postgres(address)
    try:
        with translated(address):
            if address.path is None:
                _make_schema(engine)
            upgrade(engine, address)
            if address.path is not None:
                _write_ahead(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def discard_if_damaged(address: Address) -> bool:
    """Remove a SQLite file that can't be read as one; what it held is in the store."""
    if address.path is None or not address.path.is_file() or _is_sound(address.path):
        return False
    with locked(sa.create_engine("sqlite://"), address, patience_s=10):
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{address.path}{suffix}").unlink()
    return True


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.OperationalError:  # it can't be opened, or is locked: no sign of damage
        return True
    except sqlite3.DatabaseError:
        return False


def _sqlite(address: Address) -> sa.Engine:
    assert address.path is not None
    try:
        address.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            "cannot make the folder of the index",
            where=str(address.path.parent),
            why=error.strerror or str(error),
            next="choose another folder with FAIRLEAD_HOME or FAIRLEAD_INDEX",
        ) from error
    url = sa.URL.create("sqlite", database=str(address.path))
    # One thread at a time has a connection; what a pool keeps open would keep a replaced file alive.
    engine = sa.create_engine(url, connect_args={"check_same_thread": False})
    sa.event.listen(engine, "connect", _set_up)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin below, not where Python's module thinks they should
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(engine: sa.Engine) -> None:
    """Have readers never wait for a writer. The file keeps this, so it is not asked of another program's file."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _postgres(address: Address) -> sa.Engine:
    with translated(address):
        arguments = {"connect_timeout": 10, "application_name": "fairlead"}
        engine = sa.create_engine(address.url, connect_args=arguments, pool_pre_ping=True)
    sa.event.listen(engine, "connect", _choose_schema)
    return engine


def _choose_schema(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET search_path TO {SCHEMA}")
    connection.commit()


def _make_schema(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        if connection.scalar(sa.text("SELECT to_regnamespace(:name)"), {"name": SCHEMA}) is not None:
            return
    with engine.begin() as connection:
        # Two processes at once: `IF NOT EXISTS` alone is no protection, the second would fail.
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('fairlead schema'))"))
        connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
