"""The templates of a ``Workflow``: a pod in the form that Argo has for it.

Argo's template has a field of its own for most of a pod's spec. What it has none for goes into a patch, which the
controller merges into the pod; by then the whole has been held against the ``restricted`` profile.

Source: https://argo-workflows.readthedocs.io/en/release-3.7/fields/#template
"""

from __future__ import annotations

from typing import Any

from fairlead.quantities import parse_duration
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.status import SPENT
from fairlead.specs.steps import Step
from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest
from fairlead.targets.volumes import FACTS, own_volumes

_SAME = (
    "affinity", "automountServiceAccountToken", "hostAliases", "initContainers", "nodeSelector", "priorityClassName",
    "schedulerName", "securityContext", "serviceAccountName", "tolerations", "volumes",
)  # fmt: skip
"""The fields that a template and a pod's spec have in common."""

_PERSISTENT: Manifest = {"limit": "5", "retryPolicy": "Always", "backoff": {"duration": "2s", "factor": "2"}}
"""How pods of Fairlead's own are tried again, which begin where the last one was stopped."""


def step(submission: Submission, name: str, step: Step, facts: list[str]) -> Manifest:
    """Return the template of a definition.

    Args:
        submission: Where it runs.
        name: The template's name.
        step: The definition.
        facts: The names of what its pods tell the workflow.
    """
    where = ("--node={{inputs.parameters.node}}", "--item={{inputs.parameters.item}}")
    labels = {
        **pods.step_labels(step),
        **({} if pods.is_driving(step) else pods.queue_label(submission.context, step)),
        naming.NODE: "{{inputs.parameters.node}}",
        naming.ITEM: "{{inputs.parameters.item}}",
        **({naming.SCRATCH: "true"} if has_scratch(step) else {}),
    }
    annotations = pods.step_annotations(submission.context, step)
    return {
        "name": name,
        "inputs": {"parameters": [{"name": "node"}, {"name": "item"}]},
        "metadata": {"labels": labels, **({"annotations": annotations} if annotations else {})},
        "retryStrategy": _retry(step),
        **as_template(submission.context, pods.step_pod(submission, step, *where)),
        **({"outputs": {"parameters": list(map(_fact, facts))}} if facts else {}),
    }


def has_scratch(step: Step) -> bool:
    """Say whether a step's own pods have claims that go with them."""
    return not pods.is_gang(step) and any(each.is_of_pod for each in step.volumes)


def layer(submission: Submission, name: str, image: str, *where: str) -> Manifest:
    """Return the template of the pod that installs packages; see `fairlead.targets.pods.layer_pod`."""
    return {
        "name": name,
        "metadata": {"labels": {naming.STEP: name}},
        "retryStrategy": {
            "limit": "3",
            "retryPolicy": "Always",
            "expression": f"asInt(lastRetry.exitCode) != {SPENT}",
            "backoff": {"duration": "2s", "factor": "2"},
        },
        **as_template(submission.context, pods.layer_pod(submission, image, *where)),
    }


def finish(submission: Submission, name: str) -> Manifest:
    """Return the template of the pod that writes down how the run ended, so that it is known though nobody watched."""
    context = submission.context
    return {
        "name": name,
        "metadata": {"labels": {naming.STEP: name}},
        "volumes": own_volumes(),
        "retryStrategy": _PERSISTENT,
        "container": pods.own_container(context, "fairlead.worker.pods.finish", *pods.identity(submission)),
    }


def parts(submission: Submission, name: str) -> Manifest:
    """Return the template of a pod that creates the workflows of parts, of a graph or of a node's items."""
    arguments = ("--node={{inputs.parameters.node}}", "--workflow={{workflow.name}}", "--uid={{workflow.uid}}")
    module = "fairlead.engines.kubernetes.inside.parts"
    pod = pods.own_pod(submission.context, module, *pods.identity(submission), *arguments, driving=True)
    return {
        "name": name,
        "inputs": {"parameters": [{"name": "node"}]},
        "metadata": {"labels": {naming.STEP: name}},
        "retryStrategy": _PERSISTENT,
        **as_template(submission.context, pod),
    }


def as_template(context: Context, pod: pods.PodSpec) -> Manifest:
    """Return what of a template makes this pod, less what is so for every pod of the workflow."""
    usual = {
        "restartPolicy": "Never",
        "serviceAccountName": context.service_account,
        "automountServiceAccountToken": False,
        "securityContext": pods.pod_security(context.user),
        **({"priorityClassName": context.priority} if context.priority else {}),
    }
    special = {name: value for name, value in pod.items() if name not in usual or usual[name] != value}
    found: dict[str, Any] = {name: value for name, value in special.items() if name in _SAME}
    main, *beside = sorted(special.pop("containers"), key=lambda each: bool(each["name"] != pods.MAIN))
    found["container"] = {name: value for name, value in main.items() if name != "name"}
    if beside:
        found["sidecars"] = beside
    patch = {name: value for name, value in special.items() if name not in _SAME}
    if patch:
        found["podSpecPatch"] = naming.as_json(patch).decode()
    return found


def _fact(name: str) -> Manifest:
    missing = "false" if name.startswith("when") else "0"
    return {"name": name, "valueFrom": {"path": f"{FACTS}/{name}", "default": missing}}


def _retry(step: Step) -> Manifest:
    """Return one native counter for both budgets: a pod that knows its step's is spent ends with a code of its own."""
    retries = step.retries
    return {
        "limit": str(retries.user + retries.infrastructure),
        "retryPolicy": "Always",
        "expression": f"asInt(lastRetry.exitCode) != {SPENT}",
        "backoff": {
            "duration": _duration(retries.backoff),
            "factor": str(max(1, round(retries.factor))),  # Argo takes whole ones only
            "cap": _duration(retries.backoff_max),
        },
    }


def _duration(text: str) -> str:
    """Return a duration as Go reads it, which knows no days."""
    milliseconds = round(parse_duration(text) * 1000)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"
