"""Which sweeps a component runs, and which are driven by Fairlead itself, trial by trial.

A definition names neither: ``--target sweep=raytune`` says it, or the context. It is written into the graph before a
run begins, so that whoever goes on with the run finds it there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from fairlead.errors import Fault, SpecError, nearest
from fairlead.specs.graphs import Graph
from fairlead.specs.runtimes import Ray
from fairlead.specs.steps import SweepStep
from fairlead.targets.sweeps import ray_tune

KIND = "sweep"
"""What ``--target`` names them by, as it names steps with ranks by their runtime."""

DRIVER = "driver"
"""Fairlead's own: a process asks Optuna, and each trial is a step of the run."""

COMPONENTS = {DRIVER: "Optuna", ray_tune.NAME: "Ray Tune and Optuna in the step's image, and what runs ray"}
"""What each needs, in words."""

NAMES = tuple(COMPONENTS)


def asked_faults(name: str) -> Iterator[Fault]:
    """Yield why sweeps can't be run by what has a name."""
    if name not in NAMES:
        yield Fault(f"targets.{KIND}", f"no target of sweeps is {name!r}; {nearest(name, NAMES)}")


def placed(graph: Graph, asked: Mapping[str, str]) -> Graph:
    """Return a graph whose sweeps run where they are asked to; those that dynamic flows call are driven in any case.

    Args:
        graph: The graph.
        asked: The targets that are asked for, by what they run.

    Raises:
        SpecError: What is asked for can't run one of them; every fault is named.
    """
    sweeps = {key: step for key, step in graph.steps.items() if isinstance(step, SweepStep)}
    if asked.get(KIND, DRIVER) == DRIVER or not sweeps:
        return graph
    faults = [
        Fault(f"steps.{key}.{fault.path}", fault.message)
        for key, step in sweeps.items()
        for fault in ray_tune.faults(step, graph.steps[step.trial])
    ]
    if faults:
        raise SpecError(
            f"flow {graph.flow!r}",
            faults,
            verdict=f"can't have its sweeps run by {ray_tune.NAME!r}",
            next=f"change the sweep, or let Fairlead drive it: --target {KIND}={DRIVER}",
        )
    steps = {key: ray_tune.placed(step, graph.steps[step.trial]) for key, step in sweeps.items()}
    return msgspec.structs.replace(graph, steps={**graph.steps, **steps})


def asked_of(graph: Graph) -> dict[str, str]:
    """Return what was asked for when a graph was made: its sweeps with a cluster of Ray are Tune's."""
    tuned = (isinstance(step, SweepStep) and isinstance(step.runtime, Ray) for step in graph.steps.values())
    return {KIND: ray_tune.NAME} if any(tuned) else {}
