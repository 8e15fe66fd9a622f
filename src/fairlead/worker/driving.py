"""The scope of a dynamic flow's body: a call of a step is submitted, and its value waited for.

The body can be run again after it died. A call's identity is (parent, step, arguments, occurrence): a call
that was made before is answered from its record, so the body goes through the same values up to where it was.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from fairlead.authoring.flows import Flow
from fairlead.authoring.places import user_line
from fairlead.authoring.scopes import entered
from fairlead.authoring.steps import Step
from fairlead.authoring.sweeps import Sweep
from fairlead.authoring.tracing import bind_call, is_small_json
from fairlead.errors import FairleadError
from fairlead.naming import digest_bytes
from fairlead.packaging.project import Project
from fairlead.packaging.sources import source_parts
from fairlead.specs import steps as specs
from fairlead.specs.requirements import LOCK
from fairlead.store.opening import open_backend
from fairlead.store.values import Values
from fairlead.worker.channel import Talk
from fairlead.worker.keys import input_parts
from fairlead.worker.running import load
from fairlead.worker.tasks import Answer, Call, Definition, Given, Input, Stored, WorkerTask


class StepFailed(FairleadError):
    """A step that a dynamic flow called did not succeed."""


def driven(task: WorkerTask, function: Callable[..., Any], connection: Talk, project: Project) -> Callable[..., Any]:
    """Return the flow's body as a function that runs as the driver."""

    @functools.wraps(function)
    def body(**inputs: Any) -> Any:
        with entered(Driver(task, connection, project)):
            return function(**inputs)

    return body


class Driver:
    """The scope in which a call of a step is submitted; see `fairlead.authoring.scopes.Scope`."""

    def __init__(self, task: WorkerTask, connection: Talk, project: Project) -> None:
        self._task = task
        self._connection = connection
        self._project = project
        self._values = Values(open_backend(task.store), Path(task.host))
        self._occurrences: Counter[str] = Counter()
        self._position = 0
        self._answers: dict[int, Answer] = {}

    def call(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a step and return its value.

        Raises:
            StepFailed: It did not succeed.
        """
        if not _holds(step.condition):
            return _nothing(step)
        return self._result(step, self._submit(step, bind_call(step, args, kwargs)))

    def map(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a step for each item, in parallel, and return the list of values."""
        if not _holds(step.condition):
            return []
        positions = [self._submit(step, bind_call(step, items, kwargs)) for items in zip(*args, strict=True)]
        return [self._result(step, position) for position in positions]

    def enter_flow(self, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a nested flow: its body is a part of this one."""
        if not _holds(flow.condition):
            return None
        if flow.dynamic:
            return self.call(flow.as_step(), args, kwargs)
        return flow.function(*args, **kwargs)

    def sweep(self, sweep: Sweep, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a sweep and return its result."""
        given = bind_call(sweep.step, args, kwargs, without=set(sweep.spec.space))
        source = self._source(sweep.step)
        stand_in: Step[..., Any] = Step(None, sweep.spec)
        self._keep_lock(sweep.step)
        trial = {sweep.spec.trial: Definition(sweep.step.spec, source)}
        return sweep.result(*self._result(stand_in, self._submit(stand_in, given, source=source, definitions=trial)))

    def _submit(
        self,
        step: Step[..., Any],
        given: dict[str, Any],
        *,
        source: dict[str, str] | None = None,
        definitions: dict[str, Definition] | None = None,
    ) -> int:
        self._keep_lock(step)
        inputs = {name: self._input(value) for name, value in given.items()}
        position = self._position
        self._position += 1
        self._connection.send(
            Call(
                id=self._task.id,
                position=position,
                identity=self._identity(step.spec, inputs),
                step=step.spec,
                inputs=inputs,
                source=self._source(step) if source is None else source,
                line=user_line(),
                definitions=definitions or {},
            )
        )
        return position

    def _keep_lock(self, step: Step[..., Any]) -> None:
        if step.lock is not None:
            self._values.keep(step.lock.text, LOCK)

    def _identity(self, step: specs.Step, inputs: dict[str, Input]) -> str:
        parent = f"{self._task.step.name}.{self._task.index}"
        call = digest_bytes(msgspec.json.encode([parent, step.name, input_parts(inputs)], order="deterministic"))
        self._occurrences[call] += 1
        return digest_bytes(call.encode(), str(self._occurrences[call]).encode())

    def _input(self, value: Any) -> Input:
        return Given(value) if is_small_json(value) else Stored(self._values.save(value))

    @functools.cache  # noqa: B019  # a driver lives as long as its process
    def _source(self, step: Step[..., Any]) -> dict[str, str]:
        return source_parts(step.function, self._project) if step.function is not None else {}

    def _result(self, step: Step[..., Any], position: int) -> Any:
        answer = self._await(position)
        if answer.status == "mismatch":
            raise StepFailed(
                f"flow {self._task.step.name!r} can't be resumed: {answer.reason}",
                why="a resumed flow makes the calls that it made before, up to where it was",
                next="start a new run; what has not changed is taken from the cache",
            )
        if answer.status != "succeeded":
            raise StepFailed(
                f"step {step.name!r} {answer.status}",
                why=answer.reason,
                next="catch this where the flow can go on without it",
            )
        values = tuple(load(self._values, ref) for ref in answer.outputs)
        return values if len(step.spec.outputs) > 1 else values[0]

    def _await(self, position: int) -> Answer:
        while position not in self._answers:
            message = self._connection.receive()
            if message is None:
                raise StepFailed("the driver of the run is gone")
            if isinstance(message, Answer):
                self._answers[message.position] = message
        return self._answers.pop(position)


def _holds(condition: Any) -> bool:
    return condition is None or bool(condition)


def _nothing(step: Step[..., Any]) -> Any:
    count = len(step.spec.outputs)
    return None if count == 1 else (None,) * count
