"""Ray Tune: a sweep as one step that has a cluster of Ray, whose processes are the trials.

The cluster is as large as the sweep: a node for each trial that runs at once, with what a trial asks for, and a small
head, where Tune itself runs. On a cluster it is what any step with the runtime ``ray`` becomes, a RayJob for instance.

Source: https://docs.ray.io/en/latest/tune/index.html
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fairlead.errors import Fault
from fairlead.quantities import format_cpu
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Ray, Role, Single
from fairlead.specs.steps import FunctionStep, Step, SweepStep

NAME = "raytune"

PRUNERS = ("halving", "hyperband", "median")
"""Those of which Ray has a scheduler that does the same."""

HEAD = Resources(cpu="500m", memory="2Gi")
"""What Ray itself and Tune are given, on a node where no trial runs."""
NODE_CPU_MILLIS = 500
"""What a node has at least: Ray gives it 30 seconds to begin, and it is made again and again where it has not."""


def faults(sweep: SweepStep, trial: Step) -> Iterator[Fault]:
    """Yield what of a sweep Ray Tune can't do, with paths below it."""
    if not isinstance(trial, FunctionStep) or not isinstance(trial.runtime, Single):
        yield Fault("trial", f"{trial.name!r} is no plain function in one process, as Ray's trials are")
    if trial.timeout is not None:
        yield Fault("trial", f"{trial.name!r} has a timeout, which a trial of Ray's can't have")
    if sweep.pruner is not None and sweep.pruner not in PRUNERS:
        yield Fault("pruner", f"Ray Tune has no {sweep.pruner!r}; it has {', '.join(PRUNERS)}")


def placed(sweep: SweepStep, trial: Step) -> SweepStep:
    """Return the sweep as a step with a cluster of Ray, whose nodes are given what a trial asks for."""
    resources = trial.resources
    if resources.cpu_millis < NODE_CPU_MILLIS:
        resources = msgspec.structs.replace(resources, cpu=format_cpu(NODE_CPU_MILLIS))
    return msgspec.structs.replace(
        sweep,
        runtime=Ray(workers=sweep.parallel, roles={"head": Role(resources=HEAD)}),
        resources=resources,
        environment=trial.environment,
        spot=trial.spot,
        queue=trial.queue,
        priority=trial.priority,
        labels=trial.labels,
        volumes=trial.volumes,
        checkpoint=trial.checkpoint,
        overlays=trial.overlays,
    )
