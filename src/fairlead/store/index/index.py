"""The index of runs, as everything above the store uses it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fairlead.errors import GaveUp
from fairlead.naming import utc_now
from fairlead.specs.reports import RunSummary
from fairlead.store.index import queries
from fairlead.store.index.addresses import Address
from fairlead.store.index.failures import translated
from fairlead.store.index.filters import Filter, statuses_of
from fairlead.store.index.locking import locked
from fairlead.store.index.queries import MetricRow, MetricSort, StepRecord
from fairlead.store.index.syncing import OPEN, ReadReport, refill, take_in
from fairlead.store.index.tables import METADATA
from fairlead.store.index.writing import remove_runs
from fairlead.store.opened import Store

_SYNC_PATIENCE_S = 10.0
"""How long a reader waits for another one that is bringing the index up to date."""
_WRITE_PATIENCE_S = 600.0


class Index:
    """An open index. Threads and processes may use it at once; close it, or use it in a ``with`` statement.

    Every method raises `StoreError` where the database can't be reached or written, and `DamagedError` where it is
    damaged. Made by `fairlead.store.index.opening.open_index`.
    """

    def __init__(self, address: Address, engine: sa.Engine, *, now: Callable[[], datetime] = utc_now) -> None:
        self.address = address
        self._engine = engine
        self._now = now

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    # Bringing it up to date --------------------------------------------------------------------

    def sync(self, store: Store, read_report: ReadReport, *, patience_s: float = _SYNC_PATIENCE_S) -> bool:
        """Take in what has changed in a store.

        Args:
            store: The store. An index that holds another one's runs is filled anew.
            read_report: How a run is doing, by its id, from that store.
            patience_s: How long to wait for another process that is at it.

        Returns:
            Whether it is up to date; False where another process was still at it.
        """
        with self._locked(patience_s) as held:
            if held:
                take_in(self._engine, store.backend, read_report, self._now())
            return held

    def rebuild(self, store: Store, read_report: ReadReport) -> None:
        """Drop everything and read it from the store again; afterwards it equals what a sync keeps up.

        Raises:
            GaveUp: Another process has been writing to the index for minutes.
        """
        with self._writing():
            refill(self._engine, store.backend, read_report, self._now())

    def remove(self, run: str) -> None:
        """Forget a run; nothing happens where it is not known.

        Raises:
            GaveUp: Another process has been writing to the index for minutes.
        """
        with self._writing(), self._engine.begin() as connection:
            remove_runs(connection, [run])

    # Asking it ---------------------------------------------------------------------------------

    def runs(
        self,
        *,
        flow: str | None = None,
        status: str | Collection[str] | None = None,
        labels: Mapping[str, str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        after: str | None = None,
        all: bool = False,
    ) -> list[RunSummary]:
        """Return runs, newest first.

        Args:
            flow: Of this flow.
            status: Of this status, or one of these.
            labels: With all of these labels.
            since: Created then or later.
            until: Created before then.
            limit: At most so many.
            after: The last run of the page before.
            all: Those that have ended as well; so it is, too, where a status is asked for.

        Raises:
            NotFoundError: The run `after` is not there any more.
        """
        statuses = statuses_of(status) or (() if all else OPEN)
        wanted = Filter(flow, statuses, None, labels or {}, since, until)
        with self._reading() as connection:
            return queries.read_runs(connection, wanted, limit, after)

    def steps(
        self,
        *,
        run: str | None = None,
        flow: str | None = None,
        name: str | None = None,
        status: str | Collection[str] | None = None,
        labels: Mapping[str, str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        after: StepRecord | None = None,
    ) -> list[StepRecord]:
        """Return steps over all runs, newest run first and its last step first; of one run in its report's order.

        Args:
            run: Of this run.
            flow: Of this flow.
            name: With this name.
            status: Of this status, or one of these.
            labels: Of runs with all of these labels.
            since: Of runs created then or later.
            until: Of runs created before then.
            limit: At most so many.
            after: The last step of the page before.

        Raises:
            NotFoundError: The run of `after` is not there any more.
        """
        wanted = Filter(flow, statuses_of(status), name, labels or {}, since, until)
        with self._reading() as connection:
            return queries.read_steps(connection, wanted, run, limit, after)

    def metric_table(
        self,
        metric: str,
        *,
        flow: str | None = None,
        status: str | Collection[str] | None = None,
        labels: Mapping[str, str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        sort: MetricSort | None = None,
        descending: bool = True,
        limit: int = 50,
    ) -> list[MetricRow]:
        """Return the runs that logged a metric, ended ones included, with its values.

        Args:
            metric: The name that was logged.
            flow: Of this flow.
            status: Of this status, or one of these.
            labels: With all of these labels.
            since: Created then or later.
            until: Created before then.
            sort: By this value, those without a number last; newest first where it is not given.
            descending: Whether the largest is first, where they are sorted.
            limit: At most so many.
        """
        wanted = Filter(flow, statuses_of(status), None, labels or {}, since, until)
        with self._reading() as connection:
            return queries.read_metric(connection, metric, wanted, sort, descending, limit)

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table in order, to compare two indexes."""
        with self._reading() as connection:
            return {
                table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
                for table in METADATA.sorted_tables
            }

    # The database ------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with translated(self.address), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _locked(self, patience_s: float) -> Iterator[bool]:
        with translated(self.address), locked(self._engine, self.address, patience_s=patience_s) as held:
            yield held

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._locked(_WRITE_PATIENCE_S) as held:
            if not held:
                raise GaveUp(
                    "another process has been writing to the index for minutes", where=self.address.shown, next="repeat"
                )
            yield
