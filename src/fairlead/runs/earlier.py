"""The newest runs of flows that have ended: so few that reading them takes no time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from fairlead.store.backends import Backend
from fairlead.store.catalog import transitions

RUNS_READ = 10
"""Of each flow."""
_TRANSITIONS_READ = 2000


class Earlier(NamedTuple):
    """A run that has ended, and its flow."""

    flow: str
    run: str


def ended_runs(backend: Backend, flow: str = "") -> Iterator[Earlier]:
    """Yield the newest runs that have ended, newest first: of a flow, or of each that has any."""
    counts: Counter[str] = Counter()
    gone = set()
    for each in islice(transitions(backend), _TRANSITIONS_READ):
        if each.status == "removed":
            gone.add(each.run)
        elif each.flow == (flow or each.flow) and each.status != "running" and each.run not in gone:
            gone.add(each.run)
            counts[each.flow] += 1
            if counts[each.flow] <= RUNS_READ:
                yield Earlier(each.flow, each.run)
            if flow and counts[flow] == RUNS_READ:
                return
