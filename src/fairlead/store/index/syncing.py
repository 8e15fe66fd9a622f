"""Brings the index up to date with a store. Callers hold the index's lock.

The catalog says which runs have changed. It is read newest first, down to the last transition that was taken in and a
little further: a transition carries the clock of the machine that noted it, so that one of an earlier time may come
later. Of this overlap, what was taken in already is remembered by its key. Runs that have not ended are read each
time. A change of an ended run (a label) is seen only if whoever makes it notes a transition as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from fairlead.errors import DamagedError, NotFoundError
from fairlead.naming import UTC, is_run_id, newest_first
from fairlead.specs.reports import RunReport
from fairlead.specs.status import ENDED
from fairlead.store.backends import Backend
from fairlead.store.catalog import Transition, catalog_place, transitions
from fairlead.store.claims import holder_lives, newest_claim
from fairlead.store.history import read_observations, read_spec
from fairlead.store.index.rows import Rows, rows_of, summaries_in, unreadable_rows
from fairlead.store.index.tables import OF_A_RUN, RUNS, SEEN
from fairlead.store.index.writing import in_groups, remove_runs, write_run
from fairlead.store.layout import CATALOG

ReadReport = Callable[[str], RunReport]
"""How a run is doing, from the store alone: the layer above the store knows."""

OVERLAP = timedelta(minutes=10)
"""How far the clocks of machines that share a store may differ. A rebuild puts right what is beyond."""
LOST_WATCHED = timedelta(days=7)
"""How old a run without a driver may be to be asked after: a laptop that slept goes on by itself, if at all, soon."""

_BATCH = 25
"""Runs written in one transaction, so that a first sync that is killed goes on where it was."""
_STAMP = "%Y%m%d%H%M%S%f"


class _Change(NamedTuple):
    """A run to be read: its newest transition, and the keys that are thereby taken in."""

    newest: Transition
    keys: list[str]


def take_in(engine: sa.Engine, backend: Backend, read_report: ReadReport, now: datetime) -> None:
    """Read what has changed in a store since the last time, and write it."""
    with engine.begin() as connection:
        _forget_other_stores(connection, backend.url)
        seen = set(connection.scalars(sa.select(SEEN.c.key)))
        watched = _watched(connection, now)
    changes = _changes(backend, seen, now)
    found = {each.newest.run for each in changes}
    again = [_Change(each, []) for each in watched if each.run not in found and _may_differ(backend, each)]
    for batch in in_groups([*again, *changes], _BATCH):
        rows = [(each, _read(backend, each.newest, read_report)) for each in batch]
        with engine.begin() as connection:
            _write(connection, backend.url, rows)
    with engine.begin() as connection:
        _prune(connection, now)


def refill(engine: sa.Engine, backend: Backend, read_report: ReadReport, now: datetime) -> None:
    """Replace everything by what the store holds, at once: until the end readers see what was there."""
    with engine.begin() as connection:
        _clear(connection)
        for change in _changes(backend, set(), now):
            _write(connection, backend.url, [(change, _read(backend, change.newest, read_report))])
        _prune(connection, now)


def _changes(backend: Backend, seen: set[str], now: datetime) -> list[_Change]:
    """Return the runs with transitions that are not taken in, the longest unchanged first.

    Written in this order, the newest key that is remembered never lies behind a run that is still to be written.
    """
    found: dict[str, _Change] = {}
    for each in transitions(backend, until=_horizon(seen, now)):
        change = found.setdefault(each.run, _Change(each, []))
        if each.key not in seen:
            change.keys.append(each.key)
    return [each for each in reversed(found.values()) if each.keys]


def _horizon(seen: Iterable[str], now: datetime) -> str | None:
    """Return the key down to which the catalog is read; a clock that is ahead must not hide what comes after."""
    newest = min(seen, default=None)
    if newest is None:
        return None
    stamp = newest_first(newest.removeprefix(CATALOG).partition("~")[0].replace("/", ""))
    moment = min(datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC), now)
    return catalog_place(moment.astimezone(UTC) - OVERLAP)


def _watched(connection: sa.Connection, now: datetime) -> list[Transition]:
    """Return the runs that may change without a transition: their steps do, or their driver dies."""
    young = sa.or_(RUNS.c.status != "lost", RUNS.c.created > (now - LOST_WATCHED).timestamp())
    columns = (RUNS.c.run, RUNS.c.flow, RUNS.c.status)
    query = sa.select(*columns).where(RUNS.c.status.in_(OPEN), young).order_by(RUNS.c.run)
    return [Transition("", *row) for row in connection.execute(query)]


OPEN = ("pending", "running", "lost")
"""The statuses of runs that have not ended."""
assert not ENDED.intersection(OPEN)


def _may_differ(backend: Backend, run: Transition) -> bool:
    if run.status != "lost":
        return True
    claim = newest_claim(backend, run.run)
    return claim is not None and holder_lives(backend, run.run, claim)


def _read(backend: Backend, transition: Transition, read_report: ReadReport) -> Rows | None:
    """Return a run's rows, or None where it is removed."""
    if transition.status == "removed":
        return None
    run = transition.run
    try:
        spec = read_spec(backend, run)
    except NotFoundError:
        return None
    except DamagedError as error:
        return unreadable_rows(transition, str(error), _created(run))
    try:
        report = read_report(run)
        logged = any(step.metrics for step in report.steps)
        return rows_of(report, spec, summaries_in(read_observations(backend, run)) if logged else {})
    except (DamagedError, NotFoundError) as error:  # one bad run must not hide the others
        return unreadable_rows(transition, str(error), spec.created)


def _created(run: str) -> float:
    if not is_run_id(run):
        return 0.0
    return datetime.strptime(run[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).timestamp()


def _write(connection: sa.Connection, store: str, changes: Iterable[tuple[_Change, Rows | None]]) -> None:
    keys: list[dict[str, str]] = []
    for change, rows in changes:
        if rows is None:
            remove_runs(connection, [change.newest.run])
        else:
            write_run(connection, change.newest.run, rows)
        keys += ({"key": key, "store": store} for key in change.keys)
    if keys:
        connection.execute(sa.insert(SEEN), keys)


def _prune(connection: sa.Connection, now: datetime) -> None:
    """Forget the keys that are beyond the overlap; the newest one always stays."""
    newest = connection.scalar(sa.select(sa.func.min(SEEN.c.key)))
    horizon = _horizon([newest] if newest else [], now)
    if horizon is not None:
        connection.execute(sa.delete(SEEN).where(SEEN.c.key >= horizon, SEEN.c.key != newest))


def _forget_other_stores(connection: sa.Connection, store: str) -> None:
    """Begin anew where the index holds another store's runs: it follows the store that is used."""
    if connection.scalar(sa.select(SEEN.c.store).where(SEEN.c.store != store).limit(1)) is not None:
        _clear(connection)


def _clear(connection: sa.Connection) -> None:
    for table in (*OF_A_RUN, SEEN):
        connection.execute(sa.delete(table))
