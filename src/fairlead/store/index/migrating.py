"""Brings a database to the present schema, with the migrations that the package ships."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fairlead.errors import GaveUp
from fairlead.store.index.addresses import Address
from fairlead.store.index.failures import damaged, foreign, newer
from fairlead.store.index.locking import locked
from fairlead.store.index.tables import SCHEMA_VERSION, VERSION_TABLE

MIGRATIONS = Path(__file__).with_name("migrations")
_PATIENCE_S = 120.0
"""How long to wait for another process's upgrade: adding an index to a million rows takes seconds."""


def upgrade(engine: sa.Engine, address: Address) -> None:
    """Create the tables, or upgrade those of an older version. Several processes may do so at once.

    Raises:
        DamagedError: The database is of a newer version.
        StoreError: It is another program's.
        GaveUp: Another process has been upgrading it for minutes.
    """
    if _is_current(engine, address):  # as nearly always: no lock, and Alembic is not imported
        return
    with locked(engine, address, patience_s=_PATIENCE_S) as held:
        if not held:
            raise GaveUp("another process has been upgrading the index for minutes", where=address.shown, next="repeat")
        if not _is_current(engine, address):
            with engine.begin() as connection:
                _migrate(connection)


def version_of(connection: sa.Connection) -> str | None:
    """Return the version of a database's schema, or None where it has none."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    version: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return version


def _is_current(engine: sa.Engine, address: Address) -> bool:
    with engine.connect() as connection:
        version = version_of(connection)
        if version is None and sa.inspect(connection).get_table_names():
            raise foreign(address)
    if version is not None and version != SCHEMA_VERSION:
        if not re.fullmatch(r"\d{4}", version):
            raise damaged(address, f"its version is {version!r}, which no Fairlead has")
        if version > SCHEMA_VERSION:
            raise newer(address, version, SCHEMA_VERSION)
    return version == SCHEMA_VERSION


def _migrate(connection: sa.Connection) -> None:
    from alembic.config import Config  # lazy: alembic, 200 ms; only for a new or an old database
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(MIGRATIONS), version_locations=[str(MIGRATIONS)])

    def steps(revision: Any, _: Any) -> Any:
        return scripts._upgrade_revs("head", revision)

    with EnvironmentContext(Config(), scripts, fn=steps, destination_rev="head") as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE)
        environment.run_migrations()
