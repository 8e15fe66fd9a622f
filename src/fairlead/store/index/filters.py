"""Which runs or steps a listing wants, and which index the database walks to find the first page of them.

A listing is in the order of time, newest first, and every filter has an index in that order. Two filters of
different tables (a label and a status) leave a choice: walking the one and checking the other is quick for a page
only if few have to be passed over. So the smaller is walked if it is small, which a count that ends early tells;
where both are large, their common part is assumed to be found soon.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    own = _conditions(table, wanted)
    query = sa.select(table)
    if not wanted.labels:
        return query.where(*own, *_times(table, wanted)), table
    counts = {key: _count_label(connection, key, value) for key, value in wanted.labels.items()}
    driver = min(counts, key=lambda key: counts[key])
    rest = {key: value for key, value in wanted.labels.items() if key != driver}
    if own and _count(connection, sa.select(table.c.run).where(*own)) <= min(FEW, counts[driver]):
        query = query.where(*own, *_times(table, wanted))
        return _with_labels(query, table, wanted.labels), table
    query = query.join_from(LABELS, table, LABELS.c.run == table.c.run)
    query = query.where(LABELS.c.key == driver, LABELS.c.value == wanted.labels[driver])
    return _with_labels(query.where(*own, *_times(LABELS, wanted)), table, rest), LABELS


def _conditions(table: sa.Table, wanted: Filter) -> list[sa.ColumnElement[bool]]:
    found = []
    if wanted.flow is not None:
        found.append(table.c.flow == wanted.flow)
    if wanted.name is not None:
        found.append(table.c.name == wanted.name)
    if len(wanted.statuses) == 1:
        found.append(table.c.status == wanted.statuses[0])
    elif wanted.statuses:
        found.append(table.c.status.in_(wanted.statuses))
    return found


def _times(table: sa.Table, wanted: Filter) -> list[sa.ColumnElement[bool]]:
    found = []
    if wanted.since is not None:
        found.append(table.c.created >= wanted.since.timestamp())
    if wanted.until is not None:
        found.append(table.c.created < wanted.until.timestamp())
    return found


def _with_labels(query: sa.Select[Any], table: sa.Table, labels: Mapping[str, str]) -> sa.Select[Any]:
    for key, value in labels.items():
        other = LABELS.alias()
        query = query.where(sa.exists().where(other.c.run == table.c.run, other.c.key == key, other.c.value == value))
    return query


def _count_label(connection: sa.Connection, key: str, value: str) -> int:
    return _count(connection, sa.select(LABELS.c.run).where(LABELS.c.key == key, LABELS.c.value == value))


def _count(connection: sa.Connection, query: sa.Select[Any]) -> int:
    """Count the rows of a query, as far as one more than a few."""
    return connection.scalar(sa.select(sa.func.count()).select_from(query.limit(FEW + 1).subquery())) or 0
