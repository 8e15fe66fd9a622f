"""Kubernetes' ``Job``: one step that a driver calls, and a gang of ranks with a name for each.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

from typing import Any

from fairlead.specs.contexts import Submission
from fairlead.specs.runtimes import RankRuntime
from fairlead.specs.status import SPENT
from fairlead.specs.steps import Step
from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest

KEPT_S = 24 * 3600
"""Seconds that a finished job is kept, as a workflow is."""

MASTER_PORT = 29500
"""The port on which the ranks of a gang meet; torchrun's own default."""

QUEUE = "kueue.x-k8s.io/queue-name"


def called(submission: Submission, step: Step, name: str, index: int) -> Manifest:
    """Compile a driver's call of a step.

    Args:
        submission: Where it runs.
        step: The definition that was called.
        name: The name of the instance that the call became.
        index: Its index.
    """
    container = pods.step_container(submission, step, f"--call={name}.{index}")
    pod = _pod(submission, step, container, {naming.CALL: f"{name}.{index}"})
    retries = step.retries
    spec: dict[str, Any] = {
        "backoffLimit": retries.user + retries.infrastructure,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": "main", "operator": "In", "values": [SPENT]},
                },
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
            ]
        },
        "ttlSecondsAfterFinished": KEPT_S,
        "template": pod,
    }
    queue = "" if pods.is_driving(step) else step.queue or submission.context.queue
    return _job(submission, f"{name}-{index}", {naming.CALL: f"{name}.{index}"}, spec, queue)


def gang(submission: Submission, step: Step, name: str, index: int, number: int) -> list[Manifest]:
    """Compile the ranks of one attempt: a headless Service that names them, and an Indexed Job that starts them.

    Args:
        submission: Where it runs.
        step: The definition, whose runtime has ranks.
        name: The name of the instance.
        index: Its index.
        number: The number of the attempt, which names carry.
    """
    runtime = step.runtime
    assert isinstance(runtime, RankRuntime)
    attempt = f"{name}.{index}.{number}"
    arguments = [*pods.identity(submission), f"--task={attempt}"]
    container = pods.user_container(submission.context, step, "fairlead.engines.kubernetes.inside.rank", *arguments)
    labels = {naming.GANG: attempt}
    pod = _pod(submission, step, container, labels, delivered=True)
    job_name = _name(submission, f"{name}-{index}-{number}")
    pod["spec"]["subdomain"] = job_name
    spec: dict[str, Any] = {
        "completionMode": "Indexed",
        "completions": runtime.nodes,
        "parallelism": runtime.nodes,
        "backoffLimit": 0,
        "ttlSecondsAfterFinished": KEPT_S,
        "template": pod,
    }
    service: Manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": job_name,
            "namespace": submission.namespace,
            "labels": {**naming.run_labels(submission), **labels},
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,  # ranks find each other before any of them is ready
            "selector": {"batch.kubernetes.io/job-name": job_name},
        },
    }
    job = _job(submission, f"{name}-{index}-{number}", labels, spec, step.queue or submission.context.queue)
    return [naming.marked(service), job]


def _pod(
    submission: Submission, step: Step, container: Manifest, labels: dict[str, str], *, delivered: bool | None = None
) -> Manifest:
    """Return a pod template."""
    context = submission.context
    driving = delivered is None and pods.is_driving(step)
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": context.driver_service_account if driving else context.service_account,
        "automountServiceAccountToken": driving,
        "securityContext": pods.pod_security(context.user),
        "volumes": pods.volumes(step),
        "containers": [{"name": "main", **container}],
    }
    if delivered or pods.is_delivered(step):
        spec["initContainers"] = [pods.delivery(context)]
    if context.priority:
        spec["priorityClassName"] = context.priority
    return {
        "metadata": {"labels": {**naming.run_labels(submission), **pods.step_labels(step), **labels}},
        "spec": spec,
    }


def _job(submission: Submission, name: str, labels: dict[str, str], spec: Manifest, queue: str | None) -> Manifest:
    queued = {QUEUE: queue} if queue else {}
    return naming.marked(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": _name(submission, name),
                "namespace": submission.namespace,
                "labels": {**naming.run_labels(submission), **labels, **queued},
            },
            "spec": spec,
        }
    )


def _name(submission: Submission, rest: str) -> str:
    """Return a name, also of a Service and of hosts: a letter first, and 11 characters fewer than a label has."""
    head = f"r{submission.run}-{submission.generation}-"
    return head + naming.dns_label(rest, 52 - len(head))
