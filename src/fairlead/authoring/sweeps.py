"""Sweeps: many trials of one step over a search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fairlead.authoring.futures import Future
from fairlead.authoring.places import user_line
from fairlead.authoring.scopes import current_scope
from fairlead.authoring.steps import Step, both, type_faults
from fairlead.errors import Fault, SpecError, UsageError, nearest
from fairlead.specs import steps as specs


class Best:
    """The result of a sweep: the best trial's value, its parameters, and its score."""

    def __init__(self, value: Any, parameters: Any, score: Any) -> None:
        self.value = value
        self.parameters = parameters
        self.score = score

    def futures(self) -> dict[str, Future]:
        """Return the three as a mapping, for a flow that returns a sweep's result."""
        return {"value": self.value, "parameters": self.parameters, "score": self.score}


class Sweep:
    """A sweep, to be called inside a flow with the parameters that every trial shares."""

    def __init__(self, step: Step[..., Any], spec: specs.SweepStep, *, when: Any = None) -> None:
        self.step = step
        self.spec = spec
        self.condition = when

    def __call__(self, *args: Any, **kwargs: Any) -> Best:
        """Add the sweep to the flow; the arguments are what every trial shares."""
        when = kwargs.pop("when", None)
        if when is not None:
            return self.options(when=when)(*args, **kwargs)
        scope = current_scope()
        if scope is None:
            raise UsageError(
                f"the sweep {self.spec.name!r} runs inside a flow only",
                where=user_line(),
                next="call it in a function decorated with @flow, and run that",
            )
        best: Best = scope.sweep(self, args, kwargs)
        return best

    def options(self, *, when: Any) -> Sweep:
        """Return a copy that runs under a condition."""
        return Sweep(self.step, self.spec, when=both(self.condition, when))

    @staticmethod
    def result(value: Any, parameters: Any, score: Any) -> Best:
        """Join the three outputs of the sweep's node."""
        return Best(value, parameters, score)


def sweep(
    step: Step[..., Any],
    *,
    over: Mapping[str, specs.Dimension | Sequence[Any]],
    trials: int = 10,
    parallel: int = 1,
    maximize: str | None = None,
    minimize: str | None = None,
    best_of: Literal["last", "max", "min"] = "last",
    sampler: str = "tpe",
    pruner: str | None = None,
    seed: int | None = None,
    name: str | None = None,
) -> Sweep:
    """Sweep a step over a search space; each trial is an ordinary step of the run.

    Args:
        step: The step that a trial runs. It logs its objective with ``fairlead.log(NAME=value)``.
        over: The search space: for each swept parameter a dimension of `fairlead.space`, or a list of choices.
        trials: How many trials in all.
        parallel: How many at once.
        maximize: The logged name to maximise; or
        minimize: the one to minimise.
        best_of: Which of a trial's logged values counts: the last one, or the best.
        sampler: ``tpe``, ``random``, ``grid``, ``cmaes``, ``qmc`` or ``gp``, as Optuna has them.
        pruner: ``median``, ``halving``, ``hyperband`` or ``percentile``; trials end by themselves without.
        seed: Of the sampler; where it is not given it follows from the sweep and its inputs, so that the same
            sweep tries the same.
        name: The sweep's name; ``sweep-STEP`` where it is not given.

    Raises:
        SpecError: With every fault of the sweep.
    """
    if not hasattr(step, "spec"):
        raise UsageError(
            f"sweep() takes a step, got {step!r}", where=user_line(), next="decorate the function with @step"
        )
    faults = (
        [] if (maximize is None) != (minimize is None) else [Fault("maximize", "give either maximize= or minimize=")]
    )
    space = {key: _dimension(key, each, faults) for key, each in over.items()}
    known = step.signature.parameters
    faults += [
        Fault(f"over.{key}", f"step {step.name!r} has no such parameter; {nearest(key, known)}")
        for key in space
        if key not in known
    ]
    spec = specs.SweepStep(
        name=name or f"sweep-{step.name}",
        trial=step.name,
        space=space,
        trials=trials,
        parallel=parallel,
        metric=(maximize or minimize or "") if (maximize is None) != (minimize is None) else "?",
        direction="maximize" if maximize is not None else "minimize",
        best_of=best_of,
        sampler=sampler,
        pruner=pruner,
        seed=seed,
        outputs=(step.spec.outputs[0], "dict", "float"),
        cache=step.spec.cache,
    )
    faults += type_faults(spec) or specs.step_faults(spec)
    if faults:
        raise SpecError(f"sweep {spec.name!r}", faults, next=f"edit {user_line()}")
    return Sweep(step, spec)


def _dimension(key: str, given: specs.Dimension | Sequence[Any], faults: list[Fault]) -> specs.Dimension:
    if isinstance(given, specs.Dimension):
        return given
    if not isinstance(given, list | tuple):
        faults.append(Fault(f"over.{key}", f"takes a dimension of fairlead.space or a list of choices, got {given!r}"))
        return specs.Dimension(type="categorical", choices=(None,))
    return specs.Dimension(type="categorical", choices=tuple(given))
