"""A sweep that no flow calls: of a file, or of one of its steps over a space that a command line gives."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fairlead import space
from fairlead.authoring.flows import Flow, alone
from fairlead.authoring.steps import Step
from fairlead.authoring.sweeps import Sweep, sweep
from fairlead.errors import UsageError, nearest
from fairlead.packaging.loading import import_project
from fairlead.packaging.project import Project, find_project
from fairlead.specs.steps import Dimension, SweepStep


def load_sweep(file: str, name: str, given: Mapping[str, Any]) -> tuple[Project, Flow[..., Any]]:
    """Import a file and return one of its sweeps, or of its steps, as a flow of one sweep.

    Args:
        file: The path of a Python file.
        name: The name of a step there, or that which the file gives to a sweep.
        given: What `fairlead.sweep` takes, in the place of what the file's sweep says.

    Raises:
        UsageError: There is no such file, step or sweep, or the file can't be imported.
        SpecError: The sweep can't be; every fault is named.
    """
    project = find_project(Path(file))
    found = {
        variable: each
        for variable, each in vars(import_project(project)).items()
        if isinstance(each, Sweep) or (isinstance(each, Step) and each.function is not None)
    }
    match found.get(name):
        case Sweep() as known:
            return project, alone(sweep(known.step, **_changed(known.spec, given)))
        case Step() as step:
            return project, alone(sweep(step, **{"over": {}, **given}))
    raise UsageError(
        f"{file} has no step or sweep {name!r}", next=nearest(name, found) or "decorate a function with @step"
    )


def _changed(spec: SweepStep, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `fairlead.sweep` was told, and in its place what is given."""
    told = {
        each: getattr(spec, each) for each in ("trials", "parallel", "best_of", "sampler", "pruner", "seed", "name")
    }
    objective: dict[str, Any] = {} if {"maximize", "minimize"} & given.keys() else {spec.direction: spec.metric}
    return {**told, **objective, **given, "over": {**spec.space, **given.get("over", {})}}


def read_dimension(text: str) -> tuple[str, Dimension]:
    """Read ``NAME=SPACE``: a function of `fairlead.space` as a file has it, or a list of choices.

    Raises:
        UsageError: It is neither.
    """
    name, equals, written = text.partition("=")
    try:
        if not equals or not name.isidentifier():
            raise ValueError("there is no NAME= before it")
        return name, _read(ast.parse(written.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError) as error:
        why = f"{error.msg} in {written!r}" if isinstance(error, SyntaxError) else str(error)
        raise UsageError(
            f"--over {text}: that is no dimension of a space",
            why=why,
            next=f"--over '{name or 'x'}=uniform(0, 1)'   or another of {', '.join(space.__all__)}   or   '[1, 2, 4]'",
        ) from None


def _read(written: ast.expr) -> Dimension:
    if not isinstance(written, ast.Call):
        choices = ast.literal_eval(written)
        if not isinstance(choices, list | tuple):
            raise ValueError(f"{choices!r} is no list of choices")
        return space.choice(choices)
    if not isinstance(written.func, ast.Name) or written.func.id not in space.__all__:
        raise ValueError(f"{ast.unparse(written.func)!r} is no function of fairlead.space")
    function: Callable[..., Dimension] = getattr(space, written.func.id)
    arguments = [ast.literal_eval(each) for each in written.args]
    return function(*arguments, **{str(each.arg): ast.literal_eval(each.value) for each in written.keywords})
