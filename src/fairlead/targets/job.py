"""Kubernetes' ``Job``: one step that a driver calls, packages to install for it, a pod to debug a step in.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.errors import SpecError
from fairlead.specs.contexts import Submission
from fairlead.specs.status import SPENT
from fairlead.specs.steps import Step
from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest
from fairlead.targets.overlays import overlaid
from fairlead.targets.refusals import placing_refusals, step_refusals
from fairlead.targets.training.table import step_faults

KEPT_S = 24 * 3600
"""Seconds that a finished job is kept, as a workflow is."""

_INSTALLED_AGAIN = 3

OPENED = frozenset(
    {
        "metadata.annotations",
        "metadata.labels",
        "spec.activeDeadlineSeconds",
        "spec.backoffLimit",
        "spec.podReplacementPolicy",
        "spec.ttlSecondsAfterFinished",
    }
)
"""What an overlay of the kind ``Job`` can change, beside its pods."""
_TEMPLATE = ("spec", "template")

_TOLD_S = 60
"""Seconds that a pod stays in which somebody debugged a step, and that was not removed, after its time."""
_DEBUG_MAX = 50
"""The longest name of such a job, less its mark."""


def called(submission: Submission, step: Step, name: str, index: int) -> Manifest:
    """Compile a driver's call of a step.

    Args:
        submission: Where it runs.
        step: The definition that was called.
        name: The name of the instance that the call became.
        index: Its index.

    Raises:
        SpecError: It can't run on a cluster: it was called while its run went on, and so not checked before.
    """
    instance = f"{name}.{index}"
    job_name = naming.job_name(submission, name, index)
    return naming.marked(_of_step(submission, step, job_name, {naming.CALL: instance}, f"--call={instance}"))


def tried(submission: Submission, step: Step, *where: str) -> Manifest:
    """Compile a trial of a step that a component proposes, which names the job itself.

    Args:
        submission: Where it runs.
        step: The definition.
        *where: The arguments that say which trial it is.

    Raises as `called` does.
    """
    made = _of_step(submission, step, "", {}, *where)
    metadata = {"labels": made["metadata"]["labels"], "annotations": made["metadata"]["annotations"]}
    return {**made, "metadata": metadata}


def _of_step(submission: Submission, step: Step, name: str, marks: dict[str, str], *where: str) -> Manifest:
    """Return the job of a step's own pod, with what the step overlays."""
    context = submission.context
    faults = [*step_refusals(step), *placing_refusals(step, context), *step_faults(step, submission)]
    if faults:
        raise SpecError(f"step {step.name!r}", faults, verdict="can't run on a cluster")
    retries = step.retries
    annotations = {**marks, **pods.step_annotations(context, step)}
    pod = pods.step_pod(submission, step, *where)
    spec = {
        **_tried(retries.user + retries.infrastructure),
        "template": _template(submission, step, annotations, pod),
    }
    job = _job(submission, step, name, marks, spec)
    return job if pods.is_gang(step) else overlaid(step, job, _TEMPLATE, OPENED)


def installing(submission: Submission, image: str, name: str, index: int) -> Manifest:
    """Compile the job that installs the packages of a called step; see `fairlead.targets.pods.layer_pod`.

    Args:
        submission: Where it runs.
        image: The step's image.
        name: The name of the instance that the call became.
        index: Its index.
    """
    labels = {**naming.run_labels(submission), naming.STEP: "layer"}
    manifest: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": naming.job_name(submission, f"layer-{name}", index),
            "namespace": submission.namespace,
            "labels": labels,
        },
        "spec": {
            **_tried(_INSTALLED_AGAIN),
            "template": {
                "metadata": {"labels": labels},
                "spec": pods.layer_pod(submission, image, f"--call={name}.{index}"),
            },
        },
    }
    return naming.marked(manifest)


def _tried(limit: int) -> dict[str, Any]:
    """Return the fields by which a job is tried again, unless its pod says that its step's budget is spent."""
    return {
        "backoffLimit": limit,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": pods.MAIN, "operator": "In", "values": [SPENT]},
                },
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]
        },
        "ttlSecondsAfterFinished": KEPT_S,
    }


def debugging(submission: Submission, step: Step, name: str, mark: str, lasting_s: int) -> Manifest:
    """Compile a pod as a step has it, in which nothing runs: somebody enters it. It goes by itself after a while.

    Args:
        submission: Where the step ran.
        step: The definition.
        name: The name of the instance.
        mark: What tells this one from others of the step.
        lasting_s: For how many seconds it is there at most.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster.
    """
    spec: dict[str, Any] = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": lasting_s,
        "ttlSecondsAfterFinished": _TOLD_S,
        "template": _template(
            submission, step, pods.working_annotations(submission.context, step), pods.debug_pod(submission, step)
        ),
    }
    job_name = naming.dns_label(f"debug-{name}", _DEBUG_MAX - len(submission.run)) + f"-{submission.run}-{mark}"
    made = _job(submission, step, job_name, {}, spec, queued=True)
    found = overlaid(step, made, _TEMPLATE, OPENED)  # which may change its template, and not how long it is there
    return naming.marked({**found, "spec": {**spec, "template": found["spec"]["template"]}})


def _template(submission: Submission, step: Step, annotations: dict[str, str], pod: Manifest) -> Manifest:
    """Return a pod template."""
    labels = {**naming.run_labels(submission), **pods.step_labels(step)}
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod}


def _job(
    submission: Submission,
    step: Step,
    name: str,
    annotations: dict[str, str],
    spec: Manifest,
    *,
    queued: bool = False,
) -> Manifest:
    """Return a job; one that only starts others is in no queue, so that those who wait for quota hold none."""
    queue = pods.queue_label(submission.context, step) if queued or not pods.is_driving(step) else {}
    labels = {**naming.run_labels(submission), **queue}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": submission.namespace, "labels": labels, "annotations": annotations},
        "spec": spec,
    }


def end_of(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the condition by which a job has ended, ``Complete`` or ``Failed``; None while it has not."""
    conditions: list[dict[str, Any]] = found.get("status", {}).get("conditions") or []
    ended = (each for each in conditions if each["type"] in ("Complete", "Failed") and each["status"] == "True")
    return next(ended, None)
