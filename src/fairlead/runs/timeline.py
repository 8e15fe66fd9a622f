"""What happened in a run, in the order of time: from what its drivers saw and what people asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fairlead.naming import iso_time
from fairlead.quantities import human_duration
from fairlead.specs.reports import EventReport
from fairlead.store.backends import Backend
from fairlead.store.history import read_events, read_observations, read_spec
from fairlead.store.records import (
    Cached,
    Called,
    Ended,
    Event,
    Evidence,
    Observation,
    RunStatusChanged,
    Started,
    Superseded,
)


def read_timeline(backend: Backend, run: str) -> list[EventReport]:
    """Return everything that happened in a run, oldest first.

    Raises:
        NotFoundError: There is no such run.
    """
    read_spec(backend, run)
    observations = read_observations(backend, run)
    begun = _begun(observations)
    found: dict[tuple[Any, ...], _Moment] = {}
    for observation in observations:  # each fact is there once or more
        moment = _moment(observation, begun)
        found.setdefault(moment.identity, moment)
    moments = [*found.values(), *map(_asked, read_events(backend, run))]
    return [moment.report() for moment in sorted(moments, key=lambda each: (each.time, each.rank))]


@dataclass(frozen=True, slots=True)
class _Moment:
    """A fact: its time, its place among facts of the same time, and what tells it from others."""

    time: float
    rank: int
    identity: tuple[Any, ...]
    kind: str
    step: str | None = None
    index: int | None = None
    attempt: int | None = None
    status: str | None = None
    message: str = ""

    def report(self) -> EventReport:
        return EventReport(
            time=iso_time(self.time),
            kind=self.kind,
            step=self.step,
            index=self.index,
            attempt=self.attempt,
            status=self.status,
            message=self.message,
        )


def _begun(observations: Iterable[Observation]) -> dict[tuple[str, int], float]:
    """Return when each instance was first heard of."""
    begun: dict[tuple[str, int], float] = {}
    for step, index, time in _sightings(observations):
        begun[step, index] = min(time, begun.get((step, index), time))
    return begun


def _sightings(observations: Iterable[Observation]) -> Iterator[tuple[str, int, float]]:
    for each in observations:
        if isinstance(each, Started | Cached):
            yield each.step, each.index, each.time
        elif isinstance(each, Ended):
            yield each.record.step, each.record.index, each.record.started


def _moment(observation: Observation, begun: dict[tuple[str, int], float]) -> _Moment:
    match observation:
        case Started(step=step, index=index, number=number, time=time):
            text = f"attempt {number} started"
            return _Moment(
                time, 2, ("started", step, index, number, time), "started", step, index, number, "running", text
            )
        case Ended(record=record):
            key = (record.step, record.index, record.number)
            return _Moment(record.finished, 3, ("ended", *key), "ended", *key, record.status, _ending(observation))
        case Cached(step=step, index=index, entry=entry, time=time):
            text = f"found in the cache; computed by {entry.run}/{entry.step}/{entry.index}"
            return _Moment(time, 2, ("cached", step, index, time), "cached", step, index, None, "succeeded", text)
        case Called():
            return _call(observation, begun)
        case Superseded(step=step, index=index, time=time, damaged=damaged):
            why = f"the value {damaged} is damaged" if damaged else "its code has changed"
            text = f"what it produced does not count any more: {why}"
            return _Moment(time, 1, ("superseded", step, index, time), "superseded", step, index, message=text)
        case Evidence(step=step, index=index, uid=uid, transition=transition, time=time):
            text = f"pod {observation.pod}: {observation.cause}: {observation.message.partition(chr(10))[0]}"
            what = ("seen", uid, transition)
            attempt = observation.number or None
            return _Moment(time, 2, what, "seen", step, index, attempt, observation.waiting or None, text)
        case RunStatusChanged(status=status, time=time, reason=reason):
            text = f"the run is {status}" + (f": {reason}" if reason else "")
            rank = 0 if status == "running" else 4
            return _Moment(time, rank, ("run", status, time), "run", status=status, message=text)


def _ending(ended: Ended) -> str:
    record = ended.record
    text = f"attempt {record.number} {record.status} after {human_duration(max(0.0, record.finished - record.started))}"
    if record.error is not None:
        text += f": {record.error.type}: {record.error.message.partition(chr(10))[0]}"
    if record.rank is not None:
        text += f" (rank {record.rank})"
    return text + ("; it is tried again" if record.retry else "")


def _call(call: Called, begun: dict[tuple[str, int], float]) -> _Moment:
    driver, _, number = call.parent.rpartition(".")
    of_driver = begun.get((driver, int(number)), 0.0) if number.isdigit() else 0.0
    time = begun.get((call.step, call.index), of_driver)
    text = f"called by {driver}/{number}" + (f" at {call.line}" if call.line else "")
    return _Moment(time, 1, ("called", call.identity), "called", call.step, call.index, message=text)


def _asked(event: Event) -> _Moment:
    who = f" by {event.user}" if event.user else ""
    labels = ", ".join(f"{name}={value}" for name, value in event.labels.items())
    text = f"labels set{who}: {labels}" if event.kind == "label" else f"{event.kind} was asked for{who}"
    return _Moment(event.time, 2, (), event.kind, message=text)
