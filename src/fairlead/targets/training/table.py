"""Every target of steps with ranks, and which of them runs what: what is asked for, or the first that is served."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points

from fairlead.errors import Fault, UsageError, nearest
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.runtimes import GangRuntime, kind_of
from fairlead.specs.steps import Step
from fairlead.targets import pods
from fairlead.targets.orders import Manifest
from fairlead.targets.sweeps import table as sweeps
from fairlead.targets.training import (
    dask_job,
    indexed_job,
    jax_job,
    job_set,
    mpi_job,
    mpi_job_v1,
    pytorch_job,
    ray_job,
    spark_application,
    tf_job,
    train_job,
    xgboost_job,
)
from fairlead.targets.training.gang_scheduling import group_resource, pod_group
from fairlead.targets.training.target import Gang, Resource, Target

GROUP = "fairlead.training"
"""The group of entry points by which other packages add targets."""

_OWN = (
    mpi_job.TARGET, train_job.TARGET, pytorch_job.TARGET, tf_job.TARGET, jax_job.TARGET, xgboost_job.TARGET,
    job_set.TARGET, indexed_job.TARGET, mpi_job_v1.TARGET, ray_job.TARGET, spark_application.TARGET, dask_job.TARGET,
)  # fmt: skip
"""Those of Fairlead, for each runtime the more one does for gangs the earlier. An Indexed Job runs on every cluster:
what runs ranks and stands behind it is taken only where it is asked for."""

DEFAULT = indexed_job.TARGET.name


@cache
def targets() -> dict[str, Target]:
    """Return all targets by name: Fairlead's in order of preference, and those of other packages, for who asks.

    Raises:
        ValueError: Two have one name, or an entry point is no target.
    """
    found = {each.name: each for each in _OWN}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        target = point.load()
        if not isinstance(target, Target) or target.name in found:
            why = "is no Target" if not isinstance(target, Target) else f"is named {target.name!r}, as another one is"
            raise ValueError(f"the entry point {point.name!r} of {GROUP}, {point.value}, {why}")
        found[target.name] = target
    return found


def target_of(gang: Gang) -> Target:
    """Return the target that a submission has chosen for a gang.

    Raises:
        UsageError: It is one of another package, which is not here.
    """
    name = gang.submission.targets.get(kind_of(gang.step.runtime), DEFAULT)
    found = targets().get(name)
    if found is None:
        raise UsageError(
            f"there is no target {name!r} for step {gang.step.name!r}",
            where="the worker image",
            why="the package that adds it is not in there",
            next="build a worker image with it: fairlead context add NAME --worker-image IMAGE",
        )
    return found


def render(gang: Gang) -> list[Manifest]:
    """Compile an attempt by the target that was chosen for it, with the group of its pods; the last one is waited for.

    Raises:
        UsageError: The target is one of another package, which is not here.
        SpecError: An overlay makes it what can't be on a cluster.
    """
    target = target_of(gang)
    if not target.mounts_images:
        gang = dataclasses.replace(gang, submission=pods.copying(gang.submission))
    return [*([] if target.groups_itself else pod_group(gang)), *target.render(gang)]


def resources_of(target: Target, context: Context) -> tuple[Resource, ...]:
    """Return the kinds that an attempt becomes in a context."""
    group = None if target.groups_itself else group_resource(context)
    return (*((group,) if group else ()), *target.resources)


def asked_faults(asked: Mapping[str, str]) -> Iterator[Fault]:
    """Yield what is wrong with the targets that are asked for, by the kind of runtime, or for sweeps."""
    kinds = runtimes()
    for kind, name in asked.items():
        if kind == sweeps.KIND:
            yield from sweeps.asked_faults(name)
        elif kind not in kinds:
            yield Fault(f"targets.{kind}", f"no target runs such a runtime; {nearest(kind, kinds)}")
        elif name not in targets():
            yield Fault(f"targets.{kind}", f"there is no target {name!r}; {nearest(name, list(targets()))}")
        elif kind not in targets()[name].runtimes:
            known = ", ".join(each.name for each in targets().values() if kind in each.runtimes)
            yield Fault(f"targets.{kind}", f"{name!r} does not run it; these do: {known}")


def runtimes() -> list[str]:
    """Return the kinds of runtimes that targets run."""
    return sorted(set().union(*(each.runtimes for each in targets().values())))


def kinds_of(name: str) -> list[str]:
    """Return what a target runs: kinds of runtimes, or sweeps; all of them where there is none of that name."""
    if name in sweeps.NAMES:
        return [sweeps.KIND]
    return sorted(targets()[name].runtimes) if name in targets() else runtimes()


def choose(
    steps: Mapping[str, Step], asked: Mapping[str, str], is_served: Callable[[Target], bool]
) -> tuple[dict[str, str], list[Fault]]:
    """Choose the target of each kind of runtime.

    Args:
        steps: The definitions that are known, by key; a driver may call others.
        asked: The names of those that a run or its context asks for, by the kind of runtime.
        is_served: Says whether a cluster serves what a target creates.

    Returns:
        Their names by the kind of runtime, and why some steps can't be run by any, with paths.
    """
    chosen: dict[str, str] = {}
    faults: list[Fault] = []
    for kind in runtimes():
        ranked = {key: step for key, step in steps.items() if kind_of(step.runtime) == kind}
        known = [each for each in targets().values() if kind in each.runtimes]
        wanted = [each for each in known if (each.name == asked[kind] if kind in asked else each in _OWN)]
        served = [each for each in wanted if is_served(each)]
        able = [each for each in served if not any(_faults(each, ranked))]
        if able:
            chosen[kind] = able[0].name
        elif ranked:
            could = [each.name for each in known if is_served(each) and not any(_faults(each, ranked))]
            instead = f"; these targets can run it: {', '.join(could)}" if could else "; no target here can run it"
            why = _why(served[0], ranked) if served else _absence(wanted[0], ranked)
            faults += [Fault(each.path, each.message + instead) for each in why]
    return chosen, faults


def step_faults(step: Step, submission: Submission) -> Iterator[Fault]:
    """Yield what of a step its target can't express, with paths below it; for a step that a driver calls."""
    if isinstance(step.runtime, GangRuntime):
        yield from target_of(Gang(submission, step, step.name, 0, 1)).faults(step)


def _faults(target: Target, steps: Mapping[str, Step]) -> Iterator[Fault]:
    for key, step in steps.items():
        for fault in target.faults(step):
            yield Fault(f"steps.{key}.{fault.path}", fault.message)


def _why(target: Target, steps: Mapping[str, Step]) -> Iterator[Fault]:
    for fault in _faults(target, steps):
        yield Fault(fault.path, f"{fault.message}: the target {target.name!r} has no field for it")


def _absence(target: Target, steps: Mapping[str, Step]) -> Iterator[Fault]:
    why = f"the target {target.name!r} needs {target.component}, which the cluster does not have"
    yield Fault(f"steps.{min(steps)}.runtime", why)
