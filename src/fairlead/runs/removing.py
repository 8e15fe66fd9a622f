"""Removing runs: their records, logs and checkpoints, and what they have left in clusters.

Values stay until the store is collected.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from fairlead.errors import ClaimedError, ClusterError, DamagedError, UsageError
from fairlead.naming import UTC, is_run_id, utc_now
from fairlead.runs.reporting import is_driven
from fairlead.store.backends import Folder, list_all
from fairlead.store.catalog import latest_by_run, note_transition
from fairlead.store.claims import release, take_claim
from fairlead.store.history import read_spec, read_submissions
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


def remove(store: Store, removed: Removable, *, keep_objects: bool = False) -> int:
    """Remove a run. What is left of one whose removal was interrupted is removed by repeating it.

    What it has left in clusters goes first: a run of which a cluster refuses to remove something keeps its records.

    Args:
        store: The store that has the run.
        removed: The run.
        keep_objects: Whether what it has left in clusters stays.

    Returns:
        How many workflows were removed.

    Raises:
        ClaimedError: A living driver holds it.
        ClusterError, UsageError: A cluster can't be reached, or refuses; nothing of the records was removed.
    """
    backend, prefix = store.backend, run_prefix(removed.run)
    claim = take_claim(backend, removed.run, now=time.time())  # so that nobody resumes it meanwhile
    try:
        objects = 0 if keep_objects else _remove_objects(store, removed.run)
    except BaseException:
        release(backend, removed.run, claim)
        raise
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
    return objects


def _remove_objects(store: Store, run: str) -> int:
    """Remove what a run has left in the clusters that it was submitted to."""
    submissions = list(read_submissions(store.backend, run))
    if not submissions:
        return 0
    from fairlead.runs import clusters  # lazy: urllib3, 30 ms; only for runs on a cluster

    try:
        return clusters.remove_objects(run, submissions)
    except (ClusterError, UsageError) as error:
        places = ", ".join(sorted({f"{each.namespace} of {each.context.name}" for each in submissions}))
        raise ClusterError(
            f"cannot remove what run {run} has left in a cluster, and so not the run",
            where=f"namespace {places}",
            why=f"{error.what}{f': {error.why}' if error.why else ''}",
            next=f"remove the records alone: fairlead rm {run} --keep-objects",
        ) from error


def _remove_local(store: Store, run: str) -> None:
    """Remove what is no object: this machine's copies, and files of steps in the run's folder."""
    nothing = Task("", 0, 0)
    folders = [store.log_path(run, nothing).parent, store.metrics_path(run, nothing).parent]
    folders += [store.checkpoints(run), store.volumes(run)]
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
