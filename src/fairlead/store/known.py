"""Records of a run sorted by the instance they are about, and which results of it count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeGuard

from fairlead.store.layout import Task
from fairlead.store.records import Cached, Ended, Evidence, Observation, Started, Superseded

Key = tuple[str, int]


class Known(NamedTuple):
    """What is known of an instance: what was there when the run was gone on with, and what came since."""

    past: list[Observation]
    since: list[Observation]


class Sorted:
    """Keeps records of instances that do not exist yet, and when results ceased to count."""

    def __init__(self) -> None:
        self._known: dict[Key, Known] = {}
        self._void: dict[Key, float] = {}

    def add(self, observation: Started | Ended | Cached | Superseded | Evidence, *, past: bool = False) -> None:
        """Keep a record."""
        key = key_of(observation)
        if isinstance(observation, Superseded):
            self._void[key] = max(self._void.get(key, 0.0), observation.time)
            return
        known = self._known.setdefault(key, Known([], []))
        (known.past if past else known.since).append(observation)

    def take(self, key: Key) -> Known:
        """Return what was kept of an instance, and keep it no longer."""
        return self._known.pop(key, Known([], []))

    def counts(self, success: Cached | Ended) -> bool:
        """Say whether a result was not superseded."""
        return time_of(success) > self._void.get(key_of(success), 0.0)


def key_of(observation: Started | Ended | Cached | Superseded | Evidence) -> Key:
    """Return the name and index of the instance that a record is about."""
    about = observation.record if isinstance(observation, Ended) else observation
    return about.step, about.index


def time_of(success: Cached | Ended) -> float:
    """Return when a result was there."""
    return success.record.finished if isinstance(success, Ended) else success.time


def is_success(observation: Observation) -> TypeGuard[Cached | Ended]:
    """Say whether a record is of a result."""
    return isinstance(observation, Cached) or is_attempt(observation, succeeded=True)


def is_attempt(observation: Observation, *, succeeded: bool) -> TypeGuard[Ended]:
    """Say whether a record is of an attempt that succeeded, or of one that did not."""
    return isinstance(observation, Ended) and (observation.record.status == "succeeded") is succeeded


def known_attempts(observations: Iterable[Observation]) -> frozenset[Task]:
    """Return the attempts that records are about: what is known when a run goes on was before, whatever clocks say."""
    ended = (each.record for each in observations if isinstance(each, Ended))
    return frozenset(Task(each.step, each.index, each.number) for each in ended)
