"""Getting at the pod of a running step: which one it is, and what to say where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from fairlead.engines.kubernetes.locating import Part, Pods
from fairlead.errors import NotFoundError, UsageError, nearest
from fairlead.kube import executing
from fairlead.kube.channels import Channels
from fairlead.kube.client import Client
from fairlead.kube.resources import POD
from fairlead.runs.clusters import Place, open_place
from fairlead.runs.finding import Target, find_target
from fairlead.runs.reporting import read_report, report_of
from fairlead.runs.settings import chosen_context, open_store
from fairlead.specs.contexts import LOCAL
from fairlead.specs.reports import RunReport, StepReport
from fairlead.specs.runtimes import RankRuntime
from fairlead.specs.status import ENDED
from fairlead.specs.steps import Step
from fairlead.store.history import read_progress, read_spec
from fairlead.targets.podstatus import main_container, pod_status

_SETTLE_S = 15.0
"""How long the record of a step may take to follow the end of its pod."""


class Spot(NamedTuple):
    """A running pod.

    Attributes:
        title: The step, as users write it: ``RUN/STEP/INDEX``, with the rank where it has one.
        pod: The pod's name.
        container: The container that is meant.
    """

    place: Place
    target: Target
    title: str
    pod: str
    container: str

    def reach(self, port: int) -> Channels:
        """Connect to a port of the pod."""
        return executing.forward(self.client, self.pod, port, namespace=self.namespace)

    @property
    def client(self) -> Client:
        """The cluster."""
        return self.place.client

    @property
    def namespace(self) -> str:
        """Where the pod is."""
        return self.place.namespace


def locate(text: str, *, verb: str, rank: int | None = None, container: str = "") -> Spot:
    """Find the pod in which a step runs now.

    Args:
        text: ``RUN/STEP[/INDEX[/RANK]]``; the index may be left out where one instance runs.
        verb: The command, for messages.
        rank: The rank, where it is not in the text; rank 0 of a gang otherwise.
        container: The container; the step's own where it is not given.

    Raises:
        UsageError: Several instances run, or the run is none of a cluster.
        NotFoundError: There is no such run, step, rank or container, or it does not run.
    """
    target = find_target(open_store().backend, text)
    if target.step is None:
        raise UsageError(
            f"fairlead {verb} needs a step", where=target.run, next=f"name it: fairlead {verb} {target.run}/STEP"
        )
    if chosen_context() == LOCAL:
        raise _not_of_a_cluster(target, verb)
    if None not in (rank, target.rank) and rank != target.rank:
        raise UsageError(f"{text} names rank {target.rank}, and --rank {rank} another one")
    target = target._replace(rank=target.rank if rank is None else rank)
    place = open_place(chosen_context())
    spec = read_spec(place.store.backend, target.run)
    if spec.context == LOCAL:  # of this machine or another one, with its records in the same store
        raise _not_of_a_cluster(target, verb)
    progress = read_progress(place.store.backend, spec)
    steps = _named(report_of(place.store.backend, spec, progress), target)
    definitions = {each.index: each.step for each in progress.instances.values() if each.name == target.step}
    pods = Pods(place.client, place.namespace, target.run, spec.graph)
    running = [each for each in steps if pods.running(_part(each, definitions, target))]
    if not running:
        ended = pods.of(_part(steps[0], definitions, target))
        raise _not_running(place, target, steps, ended)
    if len(running) > 1:
        listed = ", ".join(str(each.index) for each in running[:8]) + (", …" if len(running) > 8 else "")
        raise UsageError(
            f"{len(running)} instances of step {target.step} are running: {listed}",
            where=target.run,
            next=f"name one: fairlead {verb} {target.run}/{target.step}/{running[0].index}",
        )
    (step,) = running
    pod = pods.running(_part(step, definitions, target))
    assert pod is not None
    suffix = f"/{target.rank}" if target.rank is not None else ""
    return Spot(
        place,
        target._replace(index=step.index),
        f"{target.run}/{step.name}/{step.index}{suffix}",
        pod["metadata"]["name"],
        _container(pod, container),
    )


def is_there(spot: Spot) -> bool:
    """Say whether the pod still runs."""
    found = spot.client.list(POD, namespace=spot.namespace, fields=f"metadata.name={spot.pod}").items
    return bool(found) and pod_status(found[0]).status is not None


def ended_as(spot: Spot, *, sleep: Callable[[float], None] = time.sleep) -> StepReport:
    """Return how the step of a pod that has ended is doing; its record may take a moment to be there."""
    until = time.monotonic() + _SETTLE_S
    while True:
        report = read_report(spot.place.store.backend, spot.target.run)
        (step,) = _named(report, spot.target)
        if step.status in ENDED or is_there(spot) or time.monotonic() > until:
            return step
        sleep(0.5)


def _not_of_a_cluster(target: Target, verb: str) -> UsageError:
    place = "/".join(str(each) for each in target if each is not None)
    return UsageError(
        f"fairlead {verb} is about pods, and run {target.run} has none",
        why="its steps are processes of this machine, which you can look at as at any other",
        next=f"go through the step again: fairlead debug {place}   or name its cluster: --on CONTEXT",
    )


def _named(report: RunReport, target: Target) -> list[StepReport]:
    named = [each for each in report.steps if each.name == target.step]
    if not named:
        known = {each.name for each in report.steps}
        raise NotFoundError(f"run {report.run} has no step {target.step!r}", next=nearest(str(target.step), known))
    found = [each for each in named if target.index in (None, each.index)]
    if not found:
        last = max(each.index for each in named)
        raise NotFoundError(
            f"step {target.step} of run {report.run} has no index {target.index}", why=f"its last is {last}"
        )
    return found


def _part(step: StepReport, definitions: dict[int, Step], target: Target) -> Part:
    """Return what is looked for: of a gang the pod of a rank, which is the one that runs the user's code."""
    definition = definitions.get(step.index)
    runtime = definition.runtime if definition else None
    if not isinstance(runtime, RankRuntime):
        if target.rank is not None:
            raise UsageError(
                f"step {step.name} has no ranks, got rank {target.rank}", next=f"{target.run}/{step.name}/{step.index}"
            )
        return Part(step.name, step.index)
    rank = target.rank or 0
    if rank >= runtime.world_size:
        raise NotFoundError(f"step {step.name} has no rank {rank}", why=f"its ranks are 0 to {runtime.world_size - 1}")
    return Part(step.name, step.index, rank // runtime.processes_per_node)


def _container(pod: dict[str, Any], name: str) -> str:
    spec = pod.get("spec", {})
    known = [each["name"] for kind in ("containers", "initContainers") for each in spec.get(kind) or ()]
    if name and name not in known:
        raise NotFoundError(
            f"the pod has no container {name!r}", where=pod["metadata"]["name"], next=nearest(name, known)
        )
    return name or main_container(pod)


def _not_running(place: Place, target: Target, steps: list[StepReport], pods: list[dict[str, Any]]) -> NotFoundError:
    """Say what a step does instead of running, and what to do about it."""
    where = f"context {place.context.name}, namespace {place.namespace}"
    if len(steps) > 1:
        counts: dict[str, int] = {}
        for each in steps:
            counts[each.status] = counts.get(each.status, 0) + 1
        why = ", ".join(f"{count} are {word}" for word, count in counts.items())
        return NotFoundError(
            f"none of the {len(steps)} instances of {target.run}/{target.step} is running",
            where=where, why=why, next=f"fairlead get {target.run}",
        )  # fmt: skip
    (step,) = steps
    title = f"{target.run}/{step.name}/{step.index}"
    status, reason = str(step.status), step.reason or ""
    if status not in ENDED and pods:
        of_pod = pod_status(pods[-1])
        status, reason = of_pod.status or status, of_pod.reason or reason
    if not reason and step.attempts and step.attempts[-1].error:
        error = step.attempts[-1].error
        reason = f"{error.type}: {error.message.splitlines()[0] if error.message else ''}"
    why = f"it is {status}" + (f": {reason}" if reason else "")
    if status == "running":
        why = "it has no pod at the moment: it is between two attempts, or about to end"
        advice = f"try again, or see what it does: fairlead get {target.run}"
    elif status in ("succeeded", "failed", "cancelled", "lost"):
        advice = f"what it wrote: fairlead logs {title}   go through it again: fairlead debug {title}"
    elif status in ENDED:
        advice = f"fairlead get {target.run}"
    else:
        advice = f"wait for it: fairlead logs {title} -f"
    return NotFoundError(f"{title} is not running", where=where, why=why, next=advice)
