"""Overlays: native fields that a step adds to what it compiles to, merged last.

The merge is JSON's (RFC 7396: mappings are merged, null removes, all else replaces), but that two lists whose items
all have names are merged by name, as Kubernetes does: containers, volumes, environment variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fairlead.errors import Fault, SpecError
from fairlead.specs.steps import Overlay, Step
from fairlead.targets.restricted import annotation_faults, pod_faults
from fairlead.targets.validating import object_field_faults

KINDS = ("Pod", "Job", "Workflow", "PipelineRun")
"""What a step's overlays can be merged into: the spec of its pods, its job where it has one, the run's workflow. Those
of steps with ranks come to that; see `fairlead.targets.training`."""


def overlay(made: dict[str, Any], kind: str, overlays: Iterable[Overlay]) -> dict[str, Any]:
    """Return what was made with every overlay of a kind merged into it, in order."""
    for each in overlays:
        if each.kind == kind:
            made = merged(made, each.patch)
    return made


def overlaid(
    step: Step, made: dict[str, Any], template: tuple[str | int, ...] | None, opened: frozenset[str]
) -> dict[str, Any]:
    """Return an object with a step's overlays of its kind merged into it, held against what pods of a run may be.

    Args:
        step: The step.
        made: The object, in whose pods its overlays of pods stand already.
        template: The fields that lead to the template of its pods; None where it has none. Overlays can change its
            labels, its annotations and its spec as far as the pod stays restricted.
        opened: What else they can change: ``spec.ttlSecondsAfterFinished``.

    Raises:
        SpecError: They make it what can't be on a cluster.
    """
    if not step.overlays:
        return made
    kind = made["kind"]
    found = overlay(made, kind, step.overlays)
    where = kind if found is made else f"overlays.{kind}"  # those of pods alone can be what an object has no field for
    path = ".".join(map(str, template or ()))
    inside = {f"{path}.{each}" for each in ("metadata.annotations", "metadata.labels", "spec")} if template else set()
    faults = changed_faults(found, made, opened | inside, where)
    if template and not faults:
        pod, before = _inside(found, template), _inside(made, template)
        faults += pod_faults(pod["spec"], before["spec"], f"{where}.{path}.spec")
        faults += annotation_faults(pod["metadata"]["annotations"], f"{where}.{path}.metadata.annotations")
    if faults:
        raise refused(f"step {step.name!r}", kind, faults)
    return found


def changed_faults(found: dict[str, Any], made: dict[str, Any], opened: frozenset[str], path: str) -> list[Fault]:
    """Return what is wrong with what overlays have made of an object: its fields, and which of them have changed.

    Args:
        found: The object with overlays merged into it.
        made: The object before.
        opened: As in `object_faults`.
        path: Where the object is, for messages.
    """
    wrong = {each.path: each for each in object_faults(found, made, opened, path)}
    as_made = {**found, "apiVersion": made["apiVersion"], "kind": made["kind"]}
    return [*(wrong | {each.path: each for each in object_field_faults(as_made, path)}).values()]


def refused(where: str, kind: str, faults: list[Fault]) -> SpecError:
    """Return the error of overlays that make an object what can't be on a cluster."""
    return SpecError(
        where,
        faults,
        verdict=f"asks for a {kind} that can't be on a cluster",
        next="correct these fields of its overlays, or leave them out",
    )


def merged(made: Any, patch: Any) -> Any:
    """Return what was made with a patch merged into it; neither is changed."""
    if isinstance(patch, Mapping):
        found = dict(made) if isinstance(made, Mapping) else {}
        for name, value in patch.items():
            if value is None:
                found.pop(name, None)
            else:
                found[name] = merged(found.get(name), value)
        return found
    if isinstance(patch, list) and patch and _are_named(patch) and _are_named(made):
        by_name = {each["name"]: each for each in made}
        for each in patch:
            by_name[each["name"]] = merged(by_name.get(each["name"]), each)
        return list(by_name.values())
    return patch


def _are_named(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(each, Mapping) and "name" in each for each in items)


def object_faults(found: Any, made: Any, opened: frozenset[str], path: str) -> Iterator[Fault]:
    """Yield each change of an object that is not among those that overlays can make.

    Args:
        found: The object with overlays merged into it.
        made: The object before.
        opened: The fields that can be changed, with all below them: ``spec.parallelism``. Labels and annotations can be
            added to and not changed.
        path: Where the object is, for messages.
    """
    for field in _changes(found, made):
        within = {".".join(field[:length]) for length in range(1, len(field) + 1)}
        if not within & opened:
            yield Fault(f"{path}.{'.'.join(field)}", "is no field that an overlay can change")
        elif {"labels", "annotations"} & set(field) and _at(made, field) is not None:
            yield Fault(f"{path}.{'.'.join(field)}", "is Fairlead's own; add others")


def _changes(found: Any, made: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(found, Mapping) and isinstance(made, Mapping):
        for name in sorted(found.keys() | made.keys()):
            yield from _changes(found.get(name), made.get(name), (*path, name))
    elif found != made:
        yield path


def _inside(made: Any, path: tuple[str | int, ...]) -> Any:
    for name in path:
        made = made[name]
    return made


def _at(made: Any, field: tuple[str, ...]) -> Any:
    for name in field:
        made = made.get(name) if isinstance(made, Mapping) else None
    return made
