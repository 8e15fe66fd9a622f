"""The definitions of a graph: each step once, however often it is called, and no two under one name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.authoring.places import user_line
from fairlead.authoring.steps import Step
from fairlead.errors import UsageError
from fairlead.specs import steps as specs


class Definitions:
    """Collects the steps that a flow calls.

    Attributes:
        steps: What each of them is, by key: its name, or for a copy with other options ``name+2`` and so on.
        functions: The function of each that has one, by key.
        locks: The texts of their locks, by digest.
    """

    def __init__(self) -> None:
        self.steps: dict[str, specs.Step] = {}
        self.functions: dict[str, Callable[..., Any]] = {}
        self.locks: dict[str, bytes] = {}
        self._known: dict[tuple[str, int], tuple[str, specs.Step]] = {}  # holds the specs, so that ids stay theirs
        self._function_of: dict[str, tuple[Any, str]] = {}

    def key_of(self, step: Step[..., Any], spec: specs.Step) -> str:
        """Return the key of a step's definition, adding it where it is new.

        Raises:
            UsageError: A different step has this name.
        """
        known = self._known.get((spec.name, id(spec)))
        if known is not None:
            return known[0]
        function = step.function
        identity = _identity(function, spec)
        place = _place(function, spec)
        other = self._function_of.setdefault(spec.name, (identity, place))
        if other[0] is not identity and other[0] != identity:
            raise UsageError(
                f"two different {_kind(spec)} have the name {spec.name!r}",
                where=user_line(),
                why=f"one is {other[1]}, the other {place}",
                next=f"name one of them: {_naming(spec)}",
            )
        key, serial = spec.name, 1
        while key in self.steps and self.steps[key] != spec:
            serial += 1
            key = f"{spec.name}+{serial}"
        self.steps[key] = spec
        self._known[spec.name, id(spec)] = key, spec
        if function is not None:
            self.functions[key] = function
        if step.lock is not None:
            self.locks[step.lock.ref.digest] = step.lock.text
        return key


def _identity(function: Callable[..., Any] | None, spec: specs.Step) -> Any:
    """Return what two steps of one name must share: the function, the container, the whole sweep."""
    if isinstance(spec, specs.ContainerStep):
        return spec.image, spec.command, spec.parameters
    return spec if function is None else function


def _place(function: Callable[..., Any] | None, spec: specs.Step) -> str:
    code = getattr(function, "__code__", None)
    if code:
        return f"{code.co_filename}:{code.co_firstlineno}"
    match spec:
        case specs.ContainerStep(image=image, command=command):
            return f"{image} with the command {' '.join(command)!r}"
        case specs.SweepStep(trial=trial, trials=trials, space=space):
            return f"{trials} trials of {trial!r} over {', '.join(space)}"
        case _:
            return "another"


def _kind(spec: specs.Step) -> str:
    kinds: dict[type, str] = {specs.ContainerStep: "containers", specs.SweepStep: "sweeps"}
    return kinds.get(type(spec), "functions")


def _naming(spec: specs.Step) -> str:
    forms: dict[type, str] = {specs.ContainerStep: "container(%r, …)", specs.SweepStep: "sweep(…, name=%r)"}
    return forms.get(type(spec), "@step(name=%r)") % f"{spec.name}_2"
