"""What differs between two runs, and what of it explains changed metrics best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView
from functools import cached_property
from itertools import islice
from typing import Any, Literal

import msgspec

from fairlead.runs.keyparts import RunKeys
from fairlead.runs.partnames import group_of, words_of
from fairlead.runs.reporting import report
from fairlead.runs.times import seconds_between
from fairlead.specs.reports import RunReport, StepReport
from fairlead.specs.status import RunStatus, StepStatus
from fairlead.store.opened import Store
from fairlead.store.progress import Instance
from fairlead.worker.tasks import Given

Place = tuple[str, int]
"""A step's name and index."""

Kind = Literal["parameter", "code", "input", "environment", "other-parameter", "unrecorded"]


class RunOutline(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two runs."""

    run: str
    flow: str
    status: RunStatus
    duration_s: float | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not the same in both runs.

    Attributes:
        step: The step it is of, ``STEP/INDEX``; empty for a flow's parameter.
        what: What differs, in words.
        before: How it was in the first run; None where it was not there.
        after: How it is in the second one.
        kind: What sort of difference it is.
    """

    kind: Kind
    what: str
    before: Any = None
    after: Any = None
    step: str = ""


class MetricChange(msgspec.Struct, frozen=True, kw_only=True):
    """A metric that differs; `difference` is the second value less the first."""

    step: str
    name: str
    before: float | None
    after: float | None
    difference: float | None


class StepChange(msgspec.Struct, frozen=True, kw_only=True):
    """How long a step took in both runs, and how it ended."""

    step: str
    status_before: StepStatus | None
    status_after: StepStatus | None
    cached_before: bool = False
    cached_after: bool = False
    before_s: float | None = None
    after_s: float | None = None


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What may explain changed metrics: `distance` steps upstream of the nearest of them."""

    kind: Kind
    text: str
    distance: int | None = None


class RunDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that differs between two runs; `causes` has the likeliest explanation first."""

    before: RunOutline
    after: RunOutline
    causes: tuple[Cause, ...]
    metrics: tuple[MetricChange, ...]
    parameters: tuple[Change, ...]
    code: tuple[Change, ...]
    inputs: tuple[Change, ...]
    environment: tuple[Change, ...]
    steps: tuple[StepChange, ...]


class _Side:
    """One run with its report."""

    def __init__(self, keys: RunKeys) -> None:
        self.keys = keys

    @cached_property
    def report(self) -> RunReport:
        status: RunStatus = self.keys.progress.run.status if self.keys.progress.run else "pending"  # type: ignore[assignment]  # a status
        return report(self.keys.spec, self.keys.progress, status=status)

    @cached_property
    def steps(self) -> dict[Place, StepReport]:
        return {(each.name, each.index): each for each in self.report.steps}

    @property
    def parameters(self) -> dict[str, Any]:
        return self.keys.spec.graph.parameters

    @property
    def places(self) -> KeysView[Place]:
        return self.keys.progress.instances.keys()

    def outline(self) -> RunOutline:
        took = seconds_between(self.report.started, self.report.finished)
        return RunOutline(run=self.report.run, flow=self.report.flow, status=self.report.status, duration_s=took)

    def instance(self, place: Place) -> Instance | None:
        return self.keys.progress.instances.get(place)


def compare_runs(store: Store, before: str, after: str) -> RunDifference:
    """Compare two runs of the store.

    Raises:
        NotFoundError: There is no such run.
    """
    first, second = _Side(RunKeys(store, before)), _Side(RunKeys(store, after))
    metrics = tuple(_metric_changes(first, second))
    parameters = tuple(_parameter_changes(first, second))
    parts = list(_part_changes(first, second, second.places))
    return RunDifference(
        before=first.outline(),
        after=second.outline(),
        causes=_causes(first, second, metrics, parameters, parts),
        metrics=metrics,
        parameters=parameters,
        code=_once(each for _, each in parts if each.kind == "code"),
        inputs=tuple(each for _, each in parts if each.kind in ("input", "parameter")),
        environment=_once(each for _, each in parts if each.kind == "environment"),
        steps=tuple(_step_changes(first, second)),
    )


def causes_between(before: RunKeys, after: RunKeys, places: Iterable[Place]) -> tuple[Cause, ...]:
    """Say what of some steps, and of what they depend on, differs from an earlier run, the likeliest first.

    Of what they depend on, the nearest are looked at, so that a large run takes no longer than a small one.
    """
    first, second = _Side(before), _Side(after)
    near = islice(_distances(second, list(places)), _LOOKED_AT_MAX)
    parts = list(_part_changes(first, second, near))
    return _causes(first, second, (), tuple(_parameter_changes(first, second)), parts)


def _metric_changes(first: _Side, second: _Side) -> Iterator[MetricChange]:
    for place in {**first.steps, **second.steps}:
        before = first.steps[place].metrics if place in first.steps else {}
        after = second.steps[place].metrics if place in second.steps else {}
        for name in {**before, **after}:
            old, new = before.get(name), after.get(name)
            if old != new and not (old != old and new != new):  # NaN is itself here
                difference = None if old is None or new is None else new - old
                yield MetricChange(step=_title(place), name=name, before=old, after=new, difference=difference)


def _parameter_changes(first: _Side, second: _Side) -> Iterator[Change]:
    before, after = first.parameters, second.parameters
    for name in {**before, **after}:
        if before.get(name) != after.get(name) or (name in before) != (name in after):
            yield Change(kind="other-parameter", what=name, before=before.get(name), after=after.get(name))


def _part_changes(first: _Side, second: _Side, places: Iterable[Place]) -> Iterator[tuple[Place, Change]]:
    """Yield each part of the cache keys of some steps that differs, by the step that has it."""
    for place in places:
        instance, other = second.instance(place), first.instance(place)
        if instance is None or other is None:
            continue
        before = first.keys.parts(other) or first.keys.fixed(other)
        after = second.keys.parts(instance) or second.keys.fixed(instance)
        for part in sorted({*before, *after}):
            if before.get(part) != after.get(part):
                change = _part_change(first, second, other, instance, part, before.get(part), after.get(part))
                if change is not None:
                    yield place, change


def _part_change(
    first: _Side, second: _Side, other: Instance, instance: Instance, part: str, old: str | None, new: str | None
) -> Change | None:
    group, title = group_of(part), _title(instance.key)
    if group == "input":
        return _input_change(first, second, other, instance, part.partition(" ")[2])
    if part != "python":
        old, new = _short(old), _short(new)
    return Change(kind=group, what=words_of(part, instance.step), before=old, after=new, step=title)


def _input_change(first: _Side, second: _Side, other: Instance, instance: Instance, name: str) -> Change | None:
    inputs_before, inputs = first.keys.inputs(other), second.keys.inputs(instance)
    if inputs_before is None or inputs is None:
        return None  # it was not reached in one of the runs
    before, after = inputs_before.get(name), inputs.get(name)
    literal = isinstance(before, Given) and isinstance(after, Given) and instance.call is None
    return Change(
        kind="parameter" if literal else "input",
        what=f"input {name}" if literal else f"input {name} from {second.keys.origin(instance, name)}",
        before=before.value if isinstance(before, Given) else first.keys.shown(before),
        after=after.value if isinstance(after, Given) else second.keys.shown(after),
        step=_title(instance.key),
    )


def _step_changes(first: _Side, second: _Side) -> Iterator[StepChange]:
    for place in {**first.steps, **second.steps}:
        old, new = first.steps.get(place), second.steps.get(place)
        yield StepChange(
            step=_title(place),
            status_before=old.status if old else None,
            status_after=new.status if new else None,
            cached_before=bool(old and old.cached),
            cached_after=bool(new and new.cached),
            before_s=_took(old),
            after_s=_took(new),
        )


def _took(step: StepReport | None) -> float | None:
    last = step.attempts[-1] if step and step.attempts else None
    return seconds_between(last.started, last.finished) if last else None


_LOOKED_AT_MAX = 50
"""Changed metrics whose upstream is walked one by one, so that a large map stays quick."""
_ORDER: tuple[Kind, ...] = ("parameter", "code", "input", "environment", "other-parameter", "unrecorded")


def _causes(
    first: _Side,
    side: _Side,
    metrics: tuple[MetricChange, ...],
    parameters: tuple[Change, ...],
    parts: list[tuple[Place, Change]],
) -> tuple[Cause, ...]:
    """Order what differs by how well it explains the changed metrics, or the whole run where none has changed.

    A value given in the flow to a step that the metric depends on comes before code, code before data,
    and data before the environment; of the same kind, what is nearer to the metric comes first.
    """
    distances = _distances(side, [_place(each.step) for each in metrics])
    relevant = [(place, each) for place, each in parts if not metrics or place in distances]
    made = [*_from_parameters(parameters, relevant, distances), *_from_parts(first, side, relevant, distances)]
    made += _unrecorded(side, metrics, parts)
    return tuple(sorted(made, key=lambda each: (_ORDER.index(each.kind), each.distance or 0)))


def _from_parameters(
    parameters: tuple[Change, ...], parts: list[tuple[Place, Change]], distances: dict[Place, int]
) -> Iterator[Cause]:
    """Explain by values given in the flow, named as parameters where one has changed in the same way."""
    given: dict[tuple[str, str, str], list[tuple[Place, Change]]] = {}
    for place, each in parts:
        if each.kind == "parameter":
            name = next((one.what for one in parameters if _is_same_change(one, each)), "")
            given.setdefault((name, repr(each.before), repr(each.after)), []).append((place, each))
    for (name, before, after), found in given.items():
        near = min(found, key=lambda one: distances.get(one[0], 0))
        steps = _listed([one.step for _, one in found])
        subject = f"parameter {name}" if name else f"{near[1].what} of {near[1].step}, given in the flow"
        into = f", which goes into {steps}" if name else ""
        yield Cause(kind="parameter", text=f"{subject}: {before} → {after}{into}", distance=distances.get(near[0]))
    named = {name for name, _, _ in given}
    for one in parameters:
        if one.what not in named:
            text = f"parameter {one.what}: {one.before!r} → {one.after!r}, not seen to go into a step as it is"
            yield Cause(kind="other-parameter", text=text)


def _from_parts(
    first: _Side, side: _Side, parts: list[tuple[Place, Change]], distances: dict[Place, int]
) -> Iterator[Cause]:
    found: dict[tuple[Kind, str], list[tuple[Place, Change]]] = {}
    changed = {place for place, _ in parts} | (first.places ^ side.places)
    for place, each in parts:
        if each.kind in ("code", "environment") or (
            each.kind == "input" and _is_source(first, side, place, each, changed)
        ):
            found.setdefault((each.kind, _cause_text(each)), []).append((place, each))
    for (kind, text), group in found.items():
        nearest = min((distances[place] for place, _ in group if place in distances), default=None)
        yield Cause(kind=kind, text=f"{text}, in {_listed([each.step for _, each in group])}", distance=nearest)


def _cause_text(change: Change) -> str:
    if change.kind == "code":
        word = "was edited" if change.before and change.after else "is new" if change.after else "is gone"
        return f"{change.what} {word}"
    if "from the driver" in change.what:  # what a sweep or a loop chose: many values, and not the first cause
        return change.what
    return f"{change.what}: {change.before or 'none'} → {change.after or 'none'}"


def _is_source(first: _Side, side: _Side, place: Place, change: Change, changed: set[Place]) -> bool:
    """Say whether an input's difference begins here: where its makers' own keys differ, those explain it."""
    instance = side.instance(place)
    assert instance is not None
    if change.what.endswith("from the flow"):
        return True
    makers = set(map(_key, side.keys.producers(instance)))
    other = first.instance(place)
    makers |= set(map(_key, first.keys.producers(other))) if other is not None else set()
    return makers.isdisjoint(changed)


def _unrecorded(side: _Side, metrics: tuple[MetricChange, ...], parts: list[tuple[Place, Change]]) -> Iterator[Cause]:
    """Say for which steps with changed metrics nothing recorded differs, neither of them nor upstream."""
    changed = {place for place, _ in parts}
    places = dict.fromkeys(_place(each.step) for each in metrics if each.before is not None and each.after is not None)
    bare = [place for place in list(places)[:_LOOKED_AT_MAX] if changed.isdisjoint(_distances(side, [place]))]
    if bare:
        steps = _listed([_title(place) for place in bare])
        text = f"nothing recorded differs for {steps}: random, or it reads what is no input"
        yield Cause(kind="unrecorded", text=text, distance=0)


def _distances(side: _Side, places: list[Place]) -> dict[Place, int]:
    """Return how many steps upstream of some places everything is that they depend on."""
    distances: dict[Place, int] = {}
    level = [each for place in dict.fromkeys(places) if (each := side.instance(place)) is not None]
    seen: set[object] = set()
    distance = 0
    while level:
        level = [each for each in {one.key: one for one in level}.values() if each.key not in distances]
        distances |= {each.key: distance for each in level}
        level = [upstream for each in level for upstream in side.keys.producers(each, seen)]
        distance += 1
    return distances


def _is_same_change(parameter: Change, given: Change) -> bool:
    return (parameter.before, parameter.after) == (given.before, given.after)


def _once(changes: Iterator[Change]) -> tuple[Change, ...]:
    """Keep one of the changes that say the same of several instances; it names the step without an index."""
    found: dict[tuple[str, str, str, str], Change] = {}
    for each in changes:
        step = "" if each.what == "Python version" else _place(each.step)[0]
        found.setdefault((step, each.what, str(each.before), str(each.after)), msgspec.structs.replace(each, step=step))
    return tuple(found.values())


def _listed(titles: list[str]) -> str:
    names = list(dict.fromkeys(titles))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _key(instance: Instance) -> Place:
    return instance.key


def _title(place: Place) -> str:
    return f"{place[0]}/{place[1]}"


def _place(title: str) -> Place:
    name, _, index = title.rpartition("/")
    return name, int(index)


def _short(digest: str | None) -> str | None:
    return None if digest is None else digest[:8]
