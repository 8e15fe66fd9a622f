"""Reads pages of runs, steps and metrics from the index."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from fairlead.errors import NotFoundError
from fairlead.naming import iso_time
from fairlead.specs.reports import RunSummary
from fairlead.store.index import filters
from fairlead.store.index.filters import Filter, select_filtered
from fairlead.store.index.tables import LABELS, METRICS, RUNS, STEPS
from fairlead.store.index.writing import in_groups

MetricSort = Literal["last", "min", "max"]
_TOGETHER = 500


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One step of some run, as a listing over all runs shows it. Times are ISO 8601 in UTC.

    Attributes:
        ordinal: Its place among the steps of its run.
        artifact: The digest of its first output.
        error: The type of its last attempt's exception.
    """

    run: str
    flow: str
    name: str
    index: int
    ordinal: int
    status: str
    cached: bool
    started: str | None = None
    finished: str | None = None
    artifact: str | None = None
    error: str | None = None


class MetricRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run, and what its last step that logged a metric logged under that name."""

    run: RunSummary
    step: str
    index: int
    last: float
    min: float
    max: float


def read_runs(connection: sa.Connection, wanted: Filter, limit: int, after: str | None) -> list[RunSummary]:
    """Return a page of runs, newest first, that follows the run `after`."""
    place = None if after is None else _place(connection, after)
    rows: list[sa.Row[Any]] = []
    for part in wanted.by_status():
        query, order = select_filtered(connection, RUNS, part)
        if place is not None:
            query = query.where(sa.tuple_(order.c.created, order.c.run) < sa.tuple_(*place))
        rows += connection.execute(query.order_by(order.c.created.desc(), order.c.run.desc()).limit(limit))
    rows.sort(key=lambda row: (row.created, row.run), reverse=True)
    return _summaries(connection, rows[:limit])


def read_steps(
    connection: sa.Connection, wanted: Filter, run: str | None, limit: int, after: StepRecord | None
) -> list[StepRecord]:
    """Return a page of steps that follows the step `after`, newest first; those of one run in its report's order."""
    place = None if after is None else (*_place(connection, after.run), after.ordinal)
    rows: list[sa.Row[Any]] = []
    for part in wanted.by_status():
        rows += connection.execute(_steps_query(connection, part, run, place).limit(limit))
    if run is None:
        rows.sort(key=lambda row: (row.created, row.run, row.ordinal), reverse=True)
    else:
        rows.sort(key=lambda row: row.ordinal)
    return [_step(row) for row in rows[:limit]]


def _steps_query(
    connection: sa.Connection, wanted: Filter, run: str | None, place: tuple[float, str, int] | None
) -> sa.Select[Any]:
    query, order = select_filtered(connection, STEPS, wanted)
    if run is not None:  # no order that another index than its own could promise
        later = [] if place is None else [STEPS.c.ordinal > place[-1]]
        return query.where(STEPS.c.run == run, *later).order_by(STEPS.c.ordinal)
    columns = (order.c.created, order.c.run, STEPS.c.ordinal)
    if place is not None:
        query = query.where(sa.tuple_(*columns) < sa.tuple_(*place))
        if order is not STEPS:  # of the three only these two are in an index
            query = query.where(sa.tuple_(*columns[:2]) <= sa.tuple_(*place[:2]))
    return query.order_by(*(column.desc() for column in columns))


def _place(connection: sa.Connection, run: str) -> tuple[float, str]:
    created = connection.scalar(sa.select(RUNS.c.created).where(RUNS.c.run == run))
    if created is None:
        raise NotFoundError(f"there is no run {run!r} to go on after", next="begin with the first page again")
    return created, run


def read_metric(
    connection: sa.Connection, metric: str, wanted: Filter, sort: MetricSort | None, descending: bool, limit: int
) -> list[MetricRow]:
    """Return runs that logged a metric, sorted by it, or newest first."""
    of_metric = (METRICS.c.name == metric, METRICS.c.of_run.is_(sa.true()))
    few = filters.count(connection, sa.select(METRICS.c.run).where(*of_metric)) <= filters.FEW
    if few or (sort is not None and not filters.is_rare(connection, RUNS, wanted)):
        # Walk the metric's values, and look each one's run up.
        query = sa.select(RUNS).join_from(METRICS, RUNS, RUNS.c.run == METRICS.c.run).where(*of_metric)
        query = query.where(*filters.checked(RUNS, wanted), *filters.with_labels(RUNS, wanted.labels))
        query, order = query.where(*filters.times(RUNS, wanted)), RUNS
    else:
        query, order = select_filtered(connection, RUNS, wanted)
        query = query.join(METRICS, METRICS.c.run == filters.hide(RUNS.c.run))  # it is the runs that are walked
        query = query.where(filters.hide(METRICS.c.name) == metric, METRICS.c.of_run.is_(sa.true()))
    columns = [METRICS.c[name].label(f"of_{name}") for name in ("step", "index", "last", "min", "max")]
    by_value = [] if sort is None else [(METRICS.c[sort].desc() if descending else METRICS.c[sort].asc()).nulls_last()]
    query = query.add_columns(*columns).order_by(*by_value, order.c.created.desc(), order.c.run.desc())
    rows = connection.execute(query.limit(limit)).all()
    return [
        MetricRow(
            run=run,
            step=row.of_step,
            index=row.of_index,
            last=_value(row.of_last),
            min=_value(row.of_min),
            max=_value(row.of_max),
        )
        for run, row in zip(_summaries(connection, rows), rows, strict=True)
    ]


def _summaries(connection: sa.Connection, rows: Iterable[sa.Row[Any]]) -> list[RunSummary]:
    rows = list(rows)
    labels: dict[str, dict[str, str]] = {row.run: {} for row in rows}
    for group in in_groups(labels, _TOGETHER):
        query = sa.select(LABELS.c.run, LABELS.c.key, LABELS.c.value).where(LABELS.c.run.in_(group))
        for run, key, value in connection.execute(query.order_by(LABELS.c.run, LABELS.c.key)):
            labels[run][key] = value
    return [_summary(row, labels[row.run]) for row in rows]


def _summary(row: sa.Row[Any], labels: dict[str, str]) -> RunSummary:
    return RunSummary(
        run=row.run,
        flow=row.flow,
        status=row.status,
        started=_time(row.created),
        finished=_time(row.finished),
        params=msgspec.json.decode(row.params),
        labels=labels,
        metrics=json.loads(row.metrics),  # it holds NaN and Infinity, which are no JSON
        reason=row.reason,
    )


def _step(row: sa.Row[Any]) -> StepRecord:
    values = {name: row._mapping[STEPS.c[name]] for name in StepRecord.__struct_fields__}
    return StepRecord(**{**values, "started": _time(values["started"]), "finished": _time(values["finished"])})


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else iso_time(seconds)


def _value(number: float | None) -> float:
    return math.nan if number is None else number
