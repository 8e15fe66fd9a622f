"""Removing runs: their records, logs and checkpoints. Values stay until the store is collected."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from fairlead.errors import ClaimedError, DamagedError
from fairlead.naming import is_run_id, utc_now
from fairlead.runs.reporting import is_driven
from fairlead.store.backends import Folder, list_all
from fairlead.store.catalog import latest_by_run, note_transition
from fairlead.store.claims import take_claim
from fairlead.store.history import read_spec
from fairlead.store.layout import Task, run_prefix
from fairlead.store.opened import Store


class Removable(NamedTuple):
    """A run that may be removed."""

    run: str
    flow: str


def removable(store: Store, runs: Iterable[str]) -> list[Removable]:
    """Return the runs with their flows, once it is known that none is being driven.

    Raises:
        NotFoundError: There is no such run.
        ClaimedError: A living driver holds one.
    """
    found = []
    for run in dict.fromkeys(runs):
        found.append(Removable(run, _flow_of(store, run)))
        if is_driven(store.backend, run):
            raise _refusal(run)
    return found


def runs_before(store: Store, moment: datetime) -> tuple[list[Removable], list[str]]:
    """Return the runs that were started before a moment, oldest first, and those of them that are being driven."""
    idle, driven = [], []
    for run, newest in latest_by_run(store.backend).items():
        if is_run_id(run) and _started(run) < moment:
            if is_driven(store.backend, run):
                driven.append(run)
            else:
                idle.append(Removable(run, newest.flow))
    return sorted(idle), sorted(driven)


def remove(store: Store, removed: Removable) -> None:
    """Remove a run. What is left of one whose removal was interrupted is removed by repeating it.

    Raises:
        ClaimedError: A living driver holds it.
    """
    backend, prefix = store.backend, run_prefix(removed.run)
    take_claim(backend, removed.run, now=time.time())  # so that nobody resumes it meanwhile
    note_transition(backend, removed.run, removed.flow, "removed", now=utc_now())
    last: tuple[list[str], list[str]] = ([], [])
    for entry in list_all(backend, prefix):
        if entry.key.startswith(prefix + "claims/"):
            last[1].append(entry.key)
        elif entry.key.startswith(prefix + "spec"):
            last[0].append(entry.key)
        else:
            backend.delete(entry.key)
    for key in (*last[0], *last[1]):  # without its spec a run is none; without its claims it could be resumed
        backend.delete(key)
    _remove_local(store, removed.run)


def _remove_local(store: Store, run: str) -> None:
    """Remove what is no object: this machine's copies, and files of steps in the run's folder."""
    nothing = Task("", 0, 0)
    folders = [store.log_path(run, nothing).parent, store.metrics_path(run, nothing).parent, store.checkpoints(run)]
    if isinstance(store.backend, Folder):
        folders = [store.backend.root / run_prefix(run)]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _flow_of(store: Store, run: str) -> str:
    try:
        return read_spec(store.backend, run).graph.flow
    except DamagedError:  # which is a reason to remove it
        newest = latest_by_run(store.backend).get(run)
        return newest.flow if newest else ""


def _refusal(run: str) -> ClaimedError:
    return ClaimedError(f"run {run} is running, and is not removed", next=f"fairlead cancel {run}")


def _started(run: str) -> datetime:
    return datetime.strptime(run[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
