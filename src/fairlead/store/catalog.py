"""The catalog: one empty object for each transition of a run, newest first.

The key carries everything a listing needs, so that listing runs is one request whatever their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from fairlead.naming import newest_first
from fairlead.store.backends import Backend, list_all
from fairlead.store.layout import CATALOG


class Transition(NamedTuple):
    """A run became something: ``running``, ``succeeded``, … or ``removed``."""

    key: str
    run: str
    flow: str
    status: str


def note_transition(backend: Backend, run: str, flow: str, status: str, *, now: datetime) -> None:
    """Add a transition."""
    backend.put(f"{catalog_place(now)}~{run}~{flow}~{status}", b"")


def catalog_place(moment: datetime) -> str:
    """Return how the keys of a moment's transitions begin: later moments come first. A day is a folder of its own."""
    return CATALOG + newest_first(f"{moment:%Y%m%d/%H%M%S%f}")


def transitions(backend: Backend, *, until: str | None = None) -> Iterator[Transition]:
    """Yield transitions, newest first, down to and excluding the key `until`."""
    for entry in list_all(backend, CATALOG):
        if until is not None and entry.key >= until:
            return
        parts = entry.key[len(CATALOG) :].split("~")
        if len(parts) == 4:
            yield Transition(entry.key, *parts[1:])


def latest_by_run(backend: Backend) -> dict[str, Transition]:
    """Return the newest transition of each run, newest first, without the removed runs."""
    found: dict[str, Transition] = {}
    removed = set()
    for each in transitions(backend):
        found.setdefault(each.run, each)
        if each.status == "removed":  # for good, wherever the clock of who did so puts it
            removed.add(each.run)
    return {run: each for run, each in found.items() if run not in removed}


def runs_by_start(backend: Backend) -> dict[str, str]:
    """Return the flow of each run that was not removed, the run that was started last first.

    Ids have the second of the start; transitions are finer, and tell runs of one second apart.
    """
    oldest: dict[str, Transition] = {}
    removed = set()
    for each in transitions(backend):
        if each.status == "removed":
            removed.add(each.run)
        oldest.pop(each.run, None)
        oldest[each.run] = each
    return {run: each.flow for run, each in oldest.items() if run not in removed}
