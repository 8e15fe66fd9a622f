"""What the targets of Ray, Spark and Dask share: the one process that runs the step, and the nodes that work for it."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.specs.steps import Step
from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest
from fairlead.targets.training.target import Gang


def driver(gang: Gang, role: str) -> Manifest:
    """Return the template of the pod whose container runs the step."""
    step = pods.of_role(gang.step, role)
    return _template(gang, step, pods.rank_pod(gang.submission, step, _task(gang)), runs_it=True)


def node(gang: Gang, role: str, *, runs_it: bool = False) -> Manifest:
    """Return the template of the pod of a node, whose component says what its container runs.

    Args:
        gang: The attempt.
        role: The role whose resources it has.
        runs_it: The component has the step run in it.
    """
    step = pods.of_role(gang.step, role)
    return _template(gang, step, pods.node_pod(gang.submission, step, _task(gang)), runs_it=runs_it)


def command(gang: Gang) -> Sequence[str]:
    """Return the command that runs the step, in any container that a node has."""
    found: Sequence[str] = pods.main_of(driver(gang, next(iter(gang.cluster.nodes_by_role)))["spec"])["command"]
    return found


def with_main(template: Manifest, **fields: object) -> Manifest:
    """Return a template whose main container has some fields set; it is the first one, as components ask."""
    main = pods.main_of(template["spec"])
    others = [each for each in template["spec"]["containers"] if each is not main]
    return {**template, "spec": {**template["spec"], "containers": [{**main, **fields}, *others]}}


def named(template: Manifest, container: str) -> Manifest:
    """Return a template whose main container has the name that a component knows it by, which its pods say too."""
    made = with_main(template, name=container)
    metadata = made["metadata"]
    return {
        **made,
        "metadata": {**metadata, "annotations": {**metadata["annotations"], pods.CONTAINER: container}},
    }


def lasting(template: Manifest) -> Manifest:
    """Return the template of a pod that is started again whenever it ends, for as long as its cluster is there."""
    return {**template, "spec": {**template["spec"], "restartPolicy": "Always"}}


def _template(gang: Gang, step: Step, spec: pods.PodSpec, *, runs_it: bool) -> Manifest:
    first = {naming.NODE_OF_GANG: "0"} if runs_it else {}
    return {
        "metadata": {
            "labels": {**naming.run_labels(gang.submission), **pods.step_labels(gang.step)},
            "annotations": {
                naming.GANG: gang.attempt,
                **first,
                **pods.working_annotations(gang.submission.context, step),
            },
        },
        "spec": spec,
    }


def _task(gang: Gang) -> str:
    return f"--task={gang.attempt}"
