"""What the conditions of an object say of its gang: one table for all kinds, whose words agree.

Sources: https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions,
https://jobset.sigs.k8s.io/docs/reference/jobset.v1alpha2/, https://www.kubeflow.org/docs/components/trainer/,
https://github.com/kubeflow/mpi-operator
"""

from __future__ import annotations

from typing import Literal

from fairlead.targets.orders import Manifest
from fairlead.targets.training.target import State

_ENDS: dict[str, Literal["succeeded", "failed"]] = {
    "Complete": "succeeded",  # Job, TrainJob
    "Completed": "succeeded",  # JobSet
    "Succeeded": "succeeded",  # the kinds of the Training Operator, MPIJob
    "Failed": "failed",
}
_GOES_ON = frozenset(
    {
        "Created", "Running", "Restarting",  # the kinds of the Training Operator, MPIJob
        "FailureTarget", "SuccessCriteriaMet",  # Job: its end is near
        "StartupPolicyInProgress", "StartupPolicyCompleted",  # JobSet
        "Suspended",
    }
)  # fmt: skip
"""What is no end. Whether an object is held back its spec says, before any controller has come to write it down."""


def state(found: Manifest) -> State:
    """Return what an object says of its gang. Total over everything that an object says."""
    status = found.get("status") or {}
    true = [each for each in status.get("conditions") or () if each.get("status") == "True"]
    for each in true:
        if each.get("type") in _ENDS:
            return State(_ENDS[each["type"]], _said(each))
    if is_suspended(found):
        return State("waiting")
    unknown = next((each for each in true if each.get("type") not in _GOES_ON), None)
    return State("running", f"{unknown.get('type')}: {_said(unknown)}" if unknown else "")


def is_suspended(found: Manifest) -> bool:
    """Say whether an object is held back: as queues do it."""
    spec = found.get("spec") or {}
    return bool(spec.get("suspend") or (spec.get("runPolicy") or {}).get("suspend"))


def _said(condition: Manifest) -> str:
    return ": ".join(str(condition[field]) for field in ("reason", "message") if condition.get(field))
