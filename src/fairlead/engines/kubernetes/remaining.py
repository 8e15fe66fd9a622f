"""What of a run is still to run, as far as its records say."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from contextlib import suppress

from fairlead.specs.branching import counted_by
from fairlead.store.backends import Backend
from fairlead.store.history import read_observations
from fairlead.store.layout import Task
from fairlead.store.progress import Progress
from fairlead.store.records import Ended, Observation, Started


def left(progress: Progress, nodes: Iterable[int] | None = None) -> dict[int, tuple[int, ...] | None]:
    """Return the nodes that are still to run, with those of their items that are where some are not.

    Args:
        progress: How far the run is.
        nodes: Of which nodes; None for all.
    """
    found: dict[int, tuple[int, ...] | None] = {}
    for number in range(len(progress.graph.nodes)) if nodes is None else nodes:
        if not progress.is_expanded(number):
            found[number] = None
            continue
        instances = progress.instances_of(number)
        opened = tuple(position for position, each in enumerate(instances) if not each.ended)
        if opened:
            found[number] = None if len(opened) == len(instances) else opened
    return found


def counts(progress: Progress, nodes: Mapping[int, tuple[int, ...] | None]) -> dict[int, int]:
    """Return how many instances mapped nodes have, where it is known already.

    Args:
        progress: How far the run is.
        nodes: The nodes that are still to run.
    """
    found = {}
    for number in nodes:
        if not progress.graph.nodes[number].each:
            continue
        if progress.is_expanded(number):
            found[number] = progress.count_of(number)
            continue
        with suppress(LookupError):  # which the target refuses, with the node's path
            counted = counted_by(progress.graph, number)
            if isinstance(counted, tuple) and counted[0] not in nodes:
                outcome, position = progress.outcome_of(counted[0]), int(counted[1].rpartition("-")[2])
                found[number] = progress.count_items(outcome.items[position]) if outcome else 0
    return found


def counting(backend: Backend, run: str, before: Container[Task]) -> list[Observation]:
    """Return what is known of a run, less what was begun before it was submitted and gave nothing: that is tried again.

    Args:
        backend: The store.
        run: The run's id.
        before: The attempts that were known when it was submitted.
    """
    return [each for each in read_observations(backend, run) if not is_outdated(each, before)]


def is_outdated(each: Observation, before: Container[Task]) -> bool:
    """Say whether a record counts no more: of an attempt from before the run was submitted, that gave nothing."""
    if isinstance(each, Started):
        return Task(each.step, each.index, each.number) in before
    if not isinstance(each, Ended) or each.record.status == "succeeded":
        return False
    return Task(each.record.step, each.record.index, each.record.number) in before
