"""Calls of steps by drivers: dynamic flows and sweeps that run as steps themselves."""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol

from fairlead.specs.steps import DriverStep, SweepStep
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import Called, Outcome, RunSpec
from fairlead.worker.tasks import Answer, Call, Followed, Logged, PastCall


class Sender(Protocol):
    """Sends messages to tasks."""

    def send(self, identity: int, message: Any) -> None:
        """Send a message to a task; nothing happens where it is gone."""


class Notes(Protocol):
    """Takes down calls."""

    def add(self, observation: Called) -> None:
        """Note a call, which is written before its step starts."""


class Calls:
    """Turns the calls of drivers into instances of the run, and answers when those have ended.

    Attributes:
        unwritten: Whether calls were noted that the journal has not written.
    """

    def __init__(self, spec: RunSpec, progress: Progress, notes: Notes, processes: Sender) -> None:
        self._progress = progress
        self._notes = notes
        self._processes = processes
        self._drivers: dict[str, int] = {}
        self._waiting: dict[tuple[str, int], list[tuple[str, Call]]] = {}
        self._at: dict[tuple[str, int], Instance] = {}
        self._used: Counter[str] = Counter()
        self.unwritten = False
        drivers = [node for node in spec.graph.nodes if isinstance(spec.graph.step_of(node), DriverStep | SweepStep)]
        self._plain_names = len(drivers) <= 1
        self._taken = {node.title for node in spec.graph.nodes}
        self._recorded: dict[tuple[str, int], Called] = {}
        for instance in progress.calls.values():
            assert instance.call is not None
            self._used[instance.name] = max(self._used[instance.name], instance.index + 1)
            self._recorded[instance.call.parent, instance.call.position] = instance.call

    def begin(self, driver: Instance, process: int) -> None:
        """Note which process a driver is."""
        self._drivers[_title(driver)] = process

    def finish(self, driver: Instance) -> None:
        """Forget a driver that has ended."""
        self._drivers.pop(_title(driver), None)

    def take(self, driver: Instance, call: Call) -> None:
        """Make a call an instance, or find the one it was before the driver was restarted."""
        parent = _title(driver)
        known = self._progress.calls.get(call.identity)
        before = self._recorded.get((parent, call.position))
        if before is not None and before.identity != call.identity and not isinstance(driver.step, SweepStep):
            self._send(parent, Answer(position=call.position, status="mismatch", reason=_mismatch(before, call)))
            return
        if known is None:
            name = self._name(driver, call.step.name)
            called = Called(
                parent=parent,
                identity=call.identity,
                position=call.position,
                step=name,
                index=self._used[name],
                definition=call.step,
                inputs=call.inputs,
                source=call.source,
                line=call.line,
                definitions=call.definitions or None,
            )
            self._used[name] += 1
            self._recorded[parent, call.position] = called
            self._notes.add(called)
            self.unwritten = True
            known = self._progress.apply(called)
            assert known is not None
        self._at[parent, call.position] = known
        self._waiting.setdefault(known.key, []).append((parent, call))
        if known.ended:
            self.ended(known)

    def children(self, driver: Instance) -> list[Instance]:
        """Return everything a driver has called, in order."""
        title = _title(driver)
        found = [each for each in self._progress.calls.values() if each.call is not None and each.call.parent == title]
        return sorted(found, key=lambda each: each.call.position if each.call else 0)

    def past(self, driver: Instance) -> tuple[PastCall, ...]:
        """Return what a sweep has called before, for its study to be rebuilt from."""
        return tuple(_past(each) for each in self.children(driver))

    def instance_at(self, driver: Instance, position: int) -> Instance | None:
        """Return the instance that a driver's call became."""
        return self._at.get((_title(driver), position))

    def ended(self, instance: Instance) -> None:
        """Answer those that wait for an instance."""
        for parent, call in self._waiting.pop(instance.key, ()):
            self._send(parent, _answer(instance, call.position))

    def followed(self) -> list[Instance]:
        """Return the instances whose drivers want to know what they log."""
        return [
            self._progress.instances[key]
            for key, waiting in self._waiting.items()
            if any(call.follow for _, call in waiting)
        ]

    def logged(self, instance: Instance, logged: Logged) -> None:
        """Pass on what an instance logged to drivers that follow it."""
        for parent, call in self._waiting.get(instance.key, ()):
            if call.follow:
                self._send(parent, Followed(position=call.position, values=logged.values, at=logged.at))

    def _send(self, parent: str, message: Any) -> None:
        process = self._drivers.get(parent)
        if process is not None:
            self._processes.send(process, message)

    def _name(self, driver: Instance, step: str) -> str:
        """Name a called step: as it is called, unless another part of the graph has the name."""
        if self._plain_names and step not in self._taken and driver.call is None:
            return step
        return f"{_title(driver)}.{step}"


def _title(driver: Instance) -> str:
    return f"{driver.name}.{driver.index}"


def _mismatch(before: Called, call: Call) -> str:
    return (
        f"call {call.position} is {call.step.name} at {call.line}, and was {before.step} at {before.line} "
        "when the run was started"
    )


def _past(instance: Instance) -> PastCall:
    assert instance.call is not None
    answer = _answer(instance, instance.call.position)
    return PastCall(answer.position, instance.call.inputs, answer.status, answer.outputs, answer.metrics)


def _answer(instance: Instance, position: int) -> Answer:
    newest = instance.attempts[max(instance.attempts)].outcome if instance.attempts else None
    outcome = instance.outcome or newest
    return Answer(
        position=position,
        status=instance.status,
        outputs=outcome.outputs if outcome else (),
        metrics=_metrics(outcome) if outcome else {},
        reason=instance.reason or "",
    )


def _metrics(outcome: Outcome) -> dict[str, tuple[float, float, float, int]]:
    return {name: (each.last, each.min, each.max, each.count) for name, each in outcome.metrics.items()}
