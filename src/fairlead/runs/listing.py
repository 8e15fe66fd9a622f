"""Listing and comparing runs, from the index after it was brought up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from fairlead.errors import UsageError, nearest
from fairlead.runs.home import home
from fairlead.runs.reporting import read_report
from fairlead.runs.settings import open_store, settings
from fairlead.specs.reports import MetricReport, RunSummary
from fairlead.specs.status import RunStatus

if TYPE_CHECKING:
    from fairlead.store.index.index import Index

LIMIT = 50
"""Runs that are listed where nobody says how many: two screens."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs are wanted.

    Attributes:
        flow: Of this flow.
        status: Of one of these statuses.
        labels: With all of these labels.
        since: Created then or later.
        limit: At most so many.
    """

    flow: str | None = None
    status: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    since: datetime | None = None
    limit: int = LIMIT

    def check(self) -> None:
        """Refuse what no run can have.

        Raises:
            UsageError: There is no such status, or the limit is none.
        """
        known = get_args(RunStatus)
        for status in self.status:
            if status not in known:
                raise UsageError(f"no run has the status {status!r}", next=nearest(status, known))
        if self.limit < 1:
            raise UsageError(f"--limit takes a number from 1, got {self.limit}")


def list_runs(wanted: Wanted, *, ended: bool, late: Callable[[], None]) -> list[RunSummary]:
    """Return runs, newest first.

    Args:
        wanted: Which.
        ended: Whether those that have ended are listed too; so they are where a status is asked for.
        late: Called where another process is bringing the index up to date, and the list may lack what is new.
    """
    wanted.check()
    with _index(late) as index:
        return index.runs(
            flow=wanted.flow,
            status=wanted.status or None,
            labels=wanted.labels,
            since=wanted.since,
            limit=wanted.limit,
            all=ended,
        )


def compare_metric(
    metric: str,
    wanted: Wanted,
    *,
    sort: Literal["last", "min", "max"] | None,
    descending: bool,
    late: Callable[[], None],
) -> list[MetricReport]:
    """Return the runs that logged a metric, ended ones included.

    Args:
        metric: The name that was logged.
        wanted: Which runs.
        sort: By which value of it; newest first where it is None.
        descending: Whether the largest comes first.
        late: As for `list_runs`.
    """
    wanted.check()
    with _index(late) as index:
        rows = index.metric_table(
            metric,
            flow=wanted.flow,
            status=wanted.status or None,
            labels=wanted.labels,
            since=wanted.since,
            sort=sort,
            descending=descending,
            limit=wanted.limit,
        )
    return [
        MetricReport(
            run=row.run.run,
            flow=row.run.flow,
            status=row.run.status,
            started=row.run.started,
            finished=row.run.finished,
            params=row.run.params,
            labels=row.run.labels,
            metric=metric,
            step=row.step,
            index=row.index,
            last=row.last,
            min=row.min,
            max=row.max,
        )
        for row in rows
    ]


@contextmanager
def _index(late: Callable[[], None]) -> Iterator[Index]:
    from fairlead.store.index.opening import open_index  # lazy: sqlalchemy, 150 ms

    store = open_store()
    with open_index(settings()["index"].value, home()) as index:
        if not index.sync(store, lambda run: read_report(store.backend, run)):
            late()
        yield index
