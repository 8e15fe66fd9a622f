"""Which runs or steps a listing wants, and which index the database walks to find the first page of them.

A listing is in the order of time, newest first, and every filter has an index in that order. Two filters of
different tables (a label and a status) leave a choice: walking the one and checking the other is quick for a page
only if few have to be passed over. So the smaller is walked if it is small, which a count that ends early tells;
where both are large, their common part is assumed to be found soon.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from fairlead.store.index.tables import LABELS

FEW = 2000
"""Rows that are checked one by one in about 5 ms."""


class Filter(NamedTuple):
    """What runs are wanted, or steps of what runs.

    Attributes:
        flow: The flow's name.
        statuses: Any of these, or all where there are none.
        name: The step's name, for steps.
        labels: Labels that the run has, all of them.
        since: Created at this time or later.
        until: Created before this time.
    """

    flow: str | None = None
    statuses: tuple[str, ...] = ()
    name: str | None = None
    labels: Mapping[str, str] = {}
    since: datetime | None = None
    until: datetime | None = None

    def by_status(self) -> list[Filter]:
        """Return a filter for each status: one index has the rows of one status in order, not those of several."""
        return [self._replace(statuses=(status,)) for status in self.statuses] or [self]


def statuses_of(status: str | Collection[str] | None) -> tuple[str, ...]:
    """Return the statuses of an argument that is one, several or none."""
    if status is None:
        return ()
    return (status,) if isinstance(status, str) else tuple(sorted(set(status)))


def select_filtered(connection: sa.Connection, table: sa.Table, wanted: Filter) -> tuple[sa.Select[Any], sa.Table]:
    """Return the rows of `table` that are wanted, without an order.

    Args:
        connection: Where the rare filter is looked for.
        table: A table with the columns run, created, flow and status.
        wanted: The filter.

    Returns:
        The query, and the table whose index it walks: by the columns created and run of this one it is to be ordered.
    """
    if not wanted.labels:
        return sa.select(table).where(*_conditions(table, wanted), *times(table, wanted)), table
    counts = {key: _count_label(connection, key, value) for key, value in wanted.labels.items()}
    driver = min(counts, key=lambda key: counts[key])
    if count_own(connection, table, wanted) <= min(FEW, counts[driver]):
        query = sa.select(table).where(*_conditions(table, wanted), *times(table, wanted))
        return query.where(*with_labels(table, wanted.labels)), table
    query = sa.select(table).join_from(LABELS, table, LABELS.c.run == table.c.run)
    query = query.where(LABELS.c.key == driver, LABELS.c.value == wanted.labels[driver], *times(LABELS, wanted))
    rest = {key: value for key, value in wanted.labels.items() if key != driver}
    return query.where(*checked(table, wanted), *with_labels(table, rest)), LABELS


def is_rare(connection: sa.Connection, table: sa.Table, wanted: Filter) -> bool:
    """Say whether one part of a filter lets few rows through."""
    labels = wanted.labels.items()
    return count_own(connection, table, wanted) <= FEW or any(_count_label(connection, *each) <= FEW for each in labels)


def checked(table: sa.Table, wanted: Filter) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on flow, status and name for rows that are reached by another table."""
    return _conditions(table, wanted, hide)


def hide(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return a column that no index serves: SQLite would walk that index, and sort all that it finds."""
    return sa.func.coalesce(column, column)


def count_own(connection: sa.Connection, table: sa.Table, wanted: Filter) -> int:
    """Count the rows of a flow, status or name up to a few; without any of these there are many."""
    own = _conditions(table, wanted)
    return count(connection, sa.select(table.c.run).where(*own)) if own else FEW + 1


def _conditions(
    table: sa.Table,
    wanted: Filter,
    form: Callable[[sa.ColumnElement[Any]], sa.ColumnElement[Any]] = lambda column: column,
) -> list[sa.ColumnElement[bool]]:
    found = []
    if wanted.flow is not None:
        found.append(form(table.c.flow) == wanted.flow)
    if wanted.name is not None:
        found.append(form(table.c.name) == wanted.name)
    if len(wanted.statuses) == 1:
        found.append(form(table.c.status) == wanted.statuses[0])
    elif wanted.statuses:
        found.append(form(table.c.status).in_(wanted.statuses))
    return found


def times(table: sa.Table, wanted: Filter) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on the time a run was created."""
    found = []
    if wanted.since is not None:
        found.append(table.c.created >= wanted.since.timestamp())
    if wanted.until is not None:
        found.append(table.c.created < wanted.until.timestamp())
    return found


def with_labels(table: sa.Table, labels: Mapping[str, str]) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a row's run has these labels."""
    found: list[sa.ColumnElement[bool]] = []
    for key, value in labels.items():
        other = LABELS.alias()
        found.append(sa.exists().where(other.c.run == table.c.run, other.c.key == key, other.c.value == value))
    return found


def _count_label(connection: sa.Connection, key: str, value: str) -> int:
    return count(connection, sa.select(LABELS.c.run).where(LABELS.c.key == key, LABELS.c.value == value))


def count(connection: sa.Connection, query: sa.Select[Any]) -> int:
    """Count the rows of a query, as far as one more than a few."""
    return connection.scalar(sa.select(sa.func.count()).select_from(query.limit(FEW + 1).subquery())) or 0
