"""Workloads that failed since something of theirs did: what they say is the answer only where nothing else is."""

from __future__ import annotations

from fairlead.insight.findings import Layer
from fairlead.insight.signs import has, rule, says

_JOBS = "https://kubernetes.io/docs/concepts/workloads/controllers/job/"

RULES = (
    rule(
        "job-deadline",
        Layer.RUN,
        has("Failed", "True", "DeadlineExceeded"),
        message="it ran longer than activeDeadlineSeconds allows: {said}",
        remedy="raise the step's timeout, or have it do less",
        source=f"{_JOBS}#job-termination-and-cleanup",
        kinds=("Job", "JobSet", "PyTorchJob", "TFJob", "JAXJob", "MPIJob", "XGBoostJob", "TrainJob"),
    ),
    rule(
        "workload-failed",
        Layer.RUN,
        has("Failed", "True"),
        message="it failed ({reason}): {said}",
        remedy="look at the first of its pods that failed: kubectl get pods -n {namespace} --sort-by=.status.startTime",
        source=f"{_JOBS}#pod-backoff-failure-policy",
        kinds=(),
        confidence=0.5,
        is_consequence=True,
    ),
    rule(
        "workflow-failed",
        Layer.RUN,
        says("status.message", r"(?P<what>.+)"),
        message="the workflow says: {said}",
        remedy="fairlead get RUN shows which steps failed",
        source="https://argo-workflows.readthedocs.io/en/latest/fields/#workflowstatus",
        kinds=("Workflow",),
        confidence=0.5,
        is_consequence=True,
    ),
)
