"""Argo Workflows' ``WorkflowTemplate``: what launches runs of a published flow, by a schedule or when it is asked to.

Its one pod is small and of Fairlead's own image. It makes the run, submits it as a client does, and ends as the run
ends: so what Argo knows of a workflow that was made from this template (whether another one may start beside it, how
it ended) is true of the run. The publication, and with it code and parameters, is named by digest.

Source: https://argo-workflows.readthedocs.io/en/release-3.7/workflow-templates/
"""

from __future__ import annotations

from fairlead.specs.contexts import Launch
from fairlead.specs.status import SPENT
from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest
from fairlead.targets.templates import as_template
from fairlead.targets.volumes import WORK
from fairlead.targets.workflow import KEPT_S

API_VERSION = "argoproj.io/v1alpha1"
_LAUNCH = "launch"
_TRIES = 30
"""How often a pod is started again that was lost, or did not reach the store or the cluster."""


def render(launch: Launch, namespace: str) -> Manifest:
    """Compile what launches a published flow.

    Args:
        launch: What is launched, where, and under which name.
        namespace: The namespace.
    """
    context, labels = launch.context, launch_labels(launch)
    pod = pods.own_pod(
        context,
        "fairlead.engines.kubernetes.inside.launching",
        "--workflow={{workflow.name}}",
        f"--launch={naming.as_json(launch).decode()}",
        f"--work={WORK}",
        driving=True,
    )
    template = {
        "name": _LAUNCH,
        "retryStrategy": {
            "limit": str(_TRIES),
            "retryPolicy": "Always",
            "expression": f"asInt(lastRetry.exitCode) != {SPENT}",
            "backoff": {"duration": "5s", "factor": "2", "cap": "300s"},
        },
        **as_template(context, pod),
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowTemplate",
        "metadata": metadata_of(launch, namespace),
        "spec": {
            "entrypoint": _LAUNCH,
            "serviceAccountName": context.service_account,
            "automountServiceAccountToken": False,
            "executor": {"serviceAccountName": context.service_account},
            "securityContext": pods.pod_security(context.user),
            "workflowMetadata": {"labels": labels},
            "podMetadata": {"labels": labels},
            **({"podPriorityClassName": context.priority} if context.priority else {}),
            "ttlStrategy": {"secondsAfterCompletion": KEPT_S},
            "templates": [template],
        },
    }


def launched(template: Manifest, name: str) -> Manifest:
    """Compile a workflow that launches a run once, now.

    Args:
        template: The template, as it is in the cluster.
        name: The workflow's name.
    """
    metadata = template["metadata"]
    labels = template["spec"]["workflowMetadata"]["labels"]
    return naming.marked(
        {
            "apiVersion": API_VERSION,
            "kind": "Workflow",
            "metadata": {"name": name, "namespace": metadata["namespace"], "labels": labels},
            "spec": {"workflowTemplateRef": {"name": metadata["name"]}},
        }
    )


def metadata_of(launch: Launch, namespace: str) -> Manifest:
    """Return the metadata of the objects that launch a flow."""
    return {
        "name": launch.name,
        "namespace": namespace,
        "labels": launch_labels(launch),
        "annotations": {naming.PUBLISHED: f"{launch.flow}/{launch.digest}"},
    }


def launch_labels(launch: Launch) -> dict[str, str]:
    """Return the labels of what launches a flow: not those by which a run's own objects are found."""
    return {
        **launch.context.labels,
        **launch.labels,
        "app.kubernetes.io/managed-by": "fairlead",
        naming.FLOW: naming.label_value(launch.flow),
        naming.SCHEDULE: launch.name,
    }
