"""Why a step was found in the cache, or was executed: its key's parts against those of an earlier run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import msgspec

from fairlead.errors import NotFoundError, nearest
from fairlead.runs.equality import Verdict
from fairlead.runs.keyparts import RunKeys
from fairlead.runs.partnames import group_of, words_of
from fairlead.runs.sameness import Sameness
from fairlead.specs.status import StepStatus
from fairlead.specs.steps import DriverStep, SweepStep
from fairlead.store.backends import Backend
from fairlead.store.catalog import runs_by_start
from fairlead.store.opened import Store
from fairlead.store.progress import Instance
from fairlead.worker.tasks import Input

LOOK_BACK = 20
"""How many earlier runs of the flow are searched for an execution of the step."""

Cause = Literal["found", "cache-off", "no-cache", "key-differs", "first", "not-kept", "tried-before", "not-run"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a cache key that differs from an earlier run's.

    Attributes:
        part: Its name in the key.
        what: What it is, in words.
        before: The earlier digest, or the value where it is small; None where the earlier key had no such part.
        after: The same of the run that is explained.
        origin: For an input: where it came from.
        values: For an input: whether the two values are equal although their bytes are not.
    """

    part: str
    what: str
    before: str | None
    after: str | None
    origin: str = ""
    values: Verdict | None = None


class InstanceExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why one instance of a step was executed, or was not.

    Attributes:
        status: How the instance is doing.
        cached: Whether its result was found in the cache.
        cause: The reason as a word.
        reason: The reason as a sentence.
        source: Where the result was computed that was found: ``RUN/STEP/INDEX``.
        compared: The earlier execution that it is compared with: ``RUN/STEP/INDEX``.
        differences: The parts of the key that differ.
        unstable: Digests that an earlier execution with the same key gave, where this one gave other bytes.
    """

    step: str
    index: int
    status: StepStatus
    cached: bool
    cause: Cause
    reason: str
    source: str | None = None
    compared: str | None = None
    differences: tuple[Difference, ...] = ()
    unstable: tuple[str, ...] = ()


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a step of a run was executed, or was not, instance by instance.

    Attributes:
        counts: How many instances there are of each cause.
        equal_values: How many inputs have other bytes than before although their values are equal.
        unstable: How many attempts gave other bytes than an earlier execution with the same key.
    """

    run: str
    step: str
    counts: dict[str, int]
    equal_values: int
    unstable: int
    instances: tuple[InstanceExplanation, ...]


def explain(store: Store, run: str, step: str, index: int | None = None) -> Explanation:
    """Explain a step of a run, or one instance of it.

    Raises:
        NotFoundError: There is no such run, step or index.
    """
    keys = RunKeys(store, run)
    instances = keys.named(step)
    if not instances:
        known = {name for name, _ in keys.progress.instances}
        raise NotFoundError(f"run {run} has no step {step!r}", next=nearest(step, known))
    if index is not None:
        instances = [each for each in instances if each.index == index]
    if not instances:
        raise NotFoundError(f"step {step!r} of run {run} has no index {index}", next=f"fairlead get {run}")
    work = _Work(store, keys)
    found = tuple(work.explain(each) for each in instances)
    return Explanation(
        run=run,
        step=step,
        counts=dict(Counter(each.cause for each in found)),
        equal_values=sum(change.values == "equal" for each in found for change in each.differences),
        unstable=sum(len(each.unstable) for each in found),
        instances=found,
    )


def earlier_runs(backend: Backend, flow: str, run: str) -> list[str]:
    """Return the runs of a flow that began before a run, newest first."""
    known = runs_by_start(backend)
    runs = list(known)
    later = runs.index(run) + 1 if run in known else 0
    return [each for each in runs[later:] if known[each] == flow and each != run]


class _Work:
    """Explains instances of one run; earlier runs are read once."""

    def __init__(self, store: Store, keys: RunKeys) -> None:
        self._store = store
        self._keys = keys
        self._sameness = Sameness(store, keys.spec)
        self._earlier_ids = earlier_runs(store.backend, keys.spec.graph.flow, keys.run)[:LOOK_BACK]
        self._earlier: list[RunKeys] = []

    def explain(self, instance: Instance) -> InstanceExplanation:
        if instance.cached is not None:
            entry = instance.cached.entry
            source = f"{entry.run}/{entry.step}/{entry.index}"
            return _made(instance, "found", f"its result was found in the cache, computed by {source}", source=source)
        if not instance.attempts and instance.running is None:
            return _made(instance, "not-run", instance.reason or "it has not been executed")
        if (why := self._why_off(instance)) is not None:
            return _made(instance, *why)
        return self._compared(instance)

    def _why_off(self, instance: Instance) -> tuple[Cause, str] | None:
        if isinstance(instance.step, DriverStep):
            return "cache-off", "a dynamic flow is always executed; the steps it calls are cached one by one"
        if isinstance(instance.step, SweepStep):
            return "cache-off", "a sweep is always executed; its trials are steps, and are cached one by one"
        if instance.step.cache == "off":
            return "cache-off", "its cache is off: @step(cache=False)"
        return None if self._keys.spec.use_cache else ("no-cache", "the run was started with --no-cache")

    def _compared(self, instance: Instance) -> InstanceExplanation:
        parts = self._keys.parts(instance)
        found = self._find_earlier(instance)
        if parts is None or found is None:
            return _made(instance, "first", "no earlier run of the flow has a result of this step")
        keys, other = found
        compared = f"{keys.run}/{other.name}/{other.index}"
        differences = tuple(self._differences(instance, parts, keys, other))
        if not differences:
            cause, reason = self._same_key(instance, keys, other)
        elif all(each.values == "equal" for each in differences):
            cause, reason = "key-differs", f"its inputs have other bytes than those of {compared}, but equal values"
        else:
            cause, reason = "key-differs", f"its cache key is not that of {compared}"
        return _made(instance, cause, reason, compared=compared, differences=differences)

    def _find_earlier(self, instance: Instance) -> tuple[RunKeys, Instance] | None:
        """Find the newest earlier run with a result of this instance, else of the same step."""
        fallback = None
        for keys in self._runs_before():
            other = keys.progress.instances.get(instance.key)
            if other is not None and other.outcome is not None:
                return keys, other
            if fallback is None:
                others = [each for each in keys.named(instance.name) if each.outcome is not None]
                fallback = (keys, others[0]) if others else None
        return fallback

    def _runs_before(self) -> Iterator[RunKeys]:
        for position in range(len(self._earlier_ids)):
            if position == len(self._earlier):
                self._earlier.append(RunKeys(self._store, self._earlier_ids[position]))
            yield self._earlier[position]

    def _differences(
        self, instance: Instance, parts: dict[str, str], keys: RunKeys, other: Instance
    ) -> Iterator[Difference]:
        before = keys.parts(other) or {}
        inputs, inputs_before = self._keys.inputs(instance) or {}, keys.inputs(other) or {}
        for part in sorted({*parts, *before}, key=lambda each: (group_of(each) != "code", each)):
            if parts.get(part) == before.get(part):
                continue
            if group_of(part) == "input":
                name = part.partition(" ")[2]
                yield self._input_difference(instance, name, inputs_before.get(name), inputs.get(name))
            elif part == "python":
                yield Difference(part=part, what="Python version", before=before[part], after=parts[part])
            else:
                what = words_of(part, instance.step)
                yield Difference(part=part, what=what, before=_short(before.get(part)), after=_short(parts.get(part)))

    def _input_difference(self, instance: Instance, name: str, before: Input | None, after: Input | None) -> Difference:
        same: Verdict | None = None
        if before is not None and after is not None:
            same = self._sameness.verdict(before, after)
        return Difference(
            part=f"input {name}",
            what=f"input {name}",
            before=self._keys.shown(before) if before is not None else None,
            after=self._keys.shown(after) if after is not None else None,
            origin=self._keys.origin(instance, name),
            values=same,
        )

    def _same_key(self, instance: Instance, keys: RunKeys, other: Instance) -> tuple[Cause, str]:
        """Say why a step was executed although an earlier run had the same parts."""
        compared = f"{keys.run}/{other.name}/{other.index}"
        started = min(each.started for each in instance.attempts.values()) if instance.attempts else None
        if len(instance.attempts) > 1 and started is not None:
            return "tried-before", f"its key is that of {compared}; after a failed attempt the cache is not asked again"
        if other.step.cache == "off":
            return "not-kept", f"its key is that of {compared}, whose cache was off"
        if started is not None and other.finished is not None and other.finished > started:
            return "not-kept", f"its key is that of {compared}, which had not ended then"
        reason = f"its key is that of {compared}, but the cache no longer had that result"
        return "not-kept", f"{reason}, or it was one of several calls with the same arguments"


def _made(instance: Instance, cause: Cause, reason: str, **more: object) -> InstanceExplanation:
    made = InstanceExplanation(
        step=instance.name,
        index=instance.index,
        status=instance.status,
        cached=instance.cached is not None,
        cause=cause,
        reason=reason,
        unstable=tuple(each.unstable for _, each in sorted(instance.attempts.items()) if each.unstable),
    )
    return msgspec.structs.replace(made, **more)


def _short(digest: str | None) -> str | None:
    return None if digest is None else digest[:8]
