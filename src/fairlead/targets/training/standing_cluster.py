"""A cluster of Ray or Dask that stands by itself: made of a step that would have one of its own, for others to share.

Its nodes are like those of the step's own cluster, but for what belongs to a run: no code, no packages, no worker, and
nothing by which the store could be read. A platform team keeps the object, in Git for instance; no run makes one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fairlead.errors import Fault
from fairlead.specs.contexts import Submission
from fairlead.specs.steps import Step
from fairlead.targets import pods
from fairlead.targets.hardware import by_role, pod_claims
from fairlead.targets.orders import Manifest
from fairlead.targets.training import nodes
from fairlead.targets.training.target import Resource


@dataclass(frozen=True, slots=True)
class Declared:
    """A cluster that is to stand.

    Args:
        place: What stands for a submission: where it is, and its labels.
        step: The definition it is made of.
        name: Its name.
    """

    place: Submission
    step: Step
    name: str

    def node(self, role: str) -> Manifest:
        """Return the template of a node of a role, which runs for as long as its cluster.

        Raises:
            SpecError: An overlay makes it what can't be on a cluster.
        """
        step = pods.of_role(self.step, role)
        annotations = pods.working_annotations(self.place.context, step)
        metadata = {
            "labels": {**labels(self.place), **step.labels},
            **({"annotations": annotations} if annotations else {}),
        }
        return nodes.lasting({"metadata": metadata, "spec": pods.standing_pod(self.place, step)})


def made(declared: Declared, kind: Resource, spec: Manifest) -> Manifest:
    """Return the object of a cluster."""
    place = declared.place
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": declared.name,
            "namespace": place.namespace,
            "labels": {**labels(place), **pods.queue_label(place.context, declared.step)},
        },
        "spec": spec,
    }


def labels(place: Submission) -> dict[str, str]:
    """Return the labels of what is kept by somebody and belongs to no run."""
    return {**place.context.labels, **place.labels, "app.kubernetes.io/managed-by": "fairlead"}


def faults(place: Submission, step: Step) -> Iterator[Fault]:
    """Yield what of a step a run brings, and a cluster that stands by itself could not have; with paths below it."""
    if step.environment.locked:
        field = "lock" if step.environment.lock is not None else "packages"
        yield Fault(f"environment.{field}", "are brought by a run: have them in the image, see fairlead image build")
    for position, volume in enumerate(step.volumes):
        if volume.is_of_run or volume.is_of_pod:
            yield Fault(f"volumes[{position}]", "is made with a run: name a claim that is there, or a CSI driver")
    for path, each in by_role(step).items():
        if pod_claims(place, each):
            yield Fault(f"{path}.gpus", "are claimed by a template that is made with a run")
    for overlay in step.overlays:
        if overlay.kind != "Pod":
            yield Fault(
                "overlays", f"of {overlay.kind!r} change what a run becomes: a cluster that stands has pods alone"
            )
