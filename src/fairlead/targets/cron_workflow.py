"""Argo Workflows' ``CronWorkflow``: a schedule that starts what a ``WorkflowTemplate`` launches.

Source: https://argo-workflows.readthedocs.io/en/release-3.7/cron-workflows/
"""

from __future__ import annotations

from fairlead.specs.contexts import Launch
from fairlead.specs.schedules import Schedule
from fairlead.targets.orders import Manifest
from fairlead.targets.workflow_template import API_VERSION, metadata_of

_POLICIES = {"allow": "Allow", "forbid": "Forbid", "replace": "Replace"}


def render(launch: Launch, schedule: Schedule, namespace: str) -> Manifest:
    """Compile a schedule; the template of the same name is compiled by itself.

    Whether it is suspended is said only where it is: what `fairlead schedule suspend` has said stays.

    Args:
        launch: What is launched.
        schedule: When; it has the launch's name.
        namespace: The namespace.
    """
    limits = {
        "startingDeadlineSeconds": schedule.deadline_s,
        "successfulJobsHistoryLimit": schedule.kept,
        "failedJobsHistoryLimit": schedule.kept_failed,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "CronWorkflow",
        "metadata": metadata_of(launch, namespace),
        "spec": {
            "schedules": [schedule.cron],
            "timezone": schedule.timezone,
            "concurrencyPolicy": _POLICIES[schedule.concurrency],
            **{name: limit for name, limit in limits.items() if limit is not None},
            **({"suspend": True} if schedule.suspended else {}),
            "workflowSpec": {"workflowTemplateRef": {"name": launch.name}},
        },
    }
