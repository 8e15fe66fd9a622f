"""What a user may mean by the beginning of a run or of a step, for a shell to offer."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from fairlead.errors import FairleadError
from fairlead.runs.finding import find_run
from fairlead.store.backends import Backend
from fairlead.store.catalog import transitions
from fairlead.store.history import read_spec

_RECENT = 400
"""Transitions that are looked at: a run has two or more."""


def complete_run(backend: Backend, text: str) -> list[str]:
    """Return ``latest`` and the newest runs whose ids begin so, newest first."""
    removed: set[str] = set()
    found = {"latest": None}
    for each in islice(transitions(backend), _RECENT):
        if each.status == "removed":
            removed.add(each.run)
        elif each.run not in removed:
            found[each.run] = None
    return [run for run in found if run.startswith(text)] if len(found) > 1 else []


def complete_step(backend: Backend, text: str) -> list[str]:
    """Return the steps of ``RUN/`` whose names begin as what follows, with the run as it was written."""
    run, _, begun = text.partition("/")
    try:
        names: Iterable[str] = dict.fromkeys(
            node.title for node in read_spec(backend, find_run(backend, run)).graph.nodes
        )
    except FairleadError:
        return []
    return [f"{run}/{name}" for name in names if name.startswith(begun)]
