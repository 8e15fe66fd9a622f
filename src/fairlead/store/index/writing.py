"""Writes the rows of runs: only those that differ from what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from fairlead.store.index.rows import Rows
from fairlead.store.index.tables import OF_A_RUN

_TOGETHER = 500
"""Keys named in one statement: old SQLite takes 999 variables."""

T = TypeVar("T")


def write_run(connection: sa.Connection, run: str, rows: Rows) -> None:
    """Have the rows of a run be these. A run under way has mostly the rows it had a moment ago."""
    for table in OF_A_RUN:
        _replace(connection, table, run, rows[table])


def remove_runs(connection: sa.Connection, runs: Iterable[str]) -> None:
    """Remove every row of some runs; nothing happens for one that has none."""
    for group in in_groups(runs, _TOGETHER):
        for table in OF_A_RUN:
            connection.execute(sa.delete(table).where(table.c.run.in_(group)))


def in_groups(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of at most `size`."""
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group


def _replace(connection: sa.Connection, table: sa.Table, run: str, rows: Sequence[dict[str, Any]]) -> None:
    names = [column.name for column in table.columns]
    there = {tuple(row) for row in connection.execute(sa.select(table).where(table.c.run == run))}
    if not there:
        changed = list(rows)
    else:
        wanted = {tuple(row[name] for name in names): row for row in rows}
        changed = [row for values, row in wanted.items() if values not in there]
        _delete(connection, table, run, [dict(zip(names, values, strict=True)) for values in there - wanted.keys()])
    if changed:
        connection.execute(sa.insert(table), changed)


def _delete(connection: sa.Connection, table: sa.Table, run: str, rows: Sequence[dict[str, Any]]) -> None:
    rest = [column for column in table.primary_key.columns if column.name != "run"]
    if not rows:
        return
    statement = sa.delete(table).where(table.c.run == run)
    for column in rest:
        statement = statement.where(column == sa.bindparam(f"old_{column.name}"))
    if not rest:
        connection.execute(statement)
    else:
        connection.execute(statement, [{f"old_{each.name}": row[each.name] for each in rest} for row in rows])
