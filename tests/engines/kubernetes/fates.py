"""What is done to the pods of runs on a cluster, and what is known of them afterwards."""

from __future__ import annotations

import time
from typing import Any

from engines.local.driving import wait_for
from fairlead.kube.client import Client
from fairlead.kube.resources import POD, WORKFLOW
from fairlead.runs.reporting import read_report
from fairlead.specs.reports import RunReport
from fairlead.store.backends import list_all
from fairlead.store.history import read_observations
from fairlead.store.layout import run_prefix
from fairlead.store.opened import Store
from fairlead.store.records import AttemptRecord, Ended
from fairlead.targets import naming

PATIENCE_S = 600.0


def pod_of(client: Client, run: str, step: str, *, phase: str = "Running") -> dict[str, Any]:
    """Wait for the pod of a step."""

    def found() -> Any:
        pods = client.list(POD, labels={naming.RUN: run, naming.STEP: step}).items
        return next((pod for pod in pods if pod["status"].get("phase") == phase), None)

    return wait_for(found, patience_s=PATIENCE_S)  # type: ignore[no-any-return]  # a pod


def evict(client: Client, pod: dict[str, Any]) -> None:
    metadata = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    client.request("POST", POD.path(metadata["namespace"], metadata["name"], "eviction"), body=body)


def runs(store: Store, run: str, step: str) -> bool:
    return status_of(read_report(store.backend, run), step) == "running"


def status_of(report: RunReport, step: str) -> str:
    return next(each.status for each in report.steps if each.name == step)


def causes(report: RunReport) -> dict[str, tuple[str, str]]:
    """Return the error of each step's last attempt."""
    errors = {each.name: each.attempts[-1].error for each in report.steps if each.attempts}
    return {name: (error.type, error.message) for name, error in errors.items() if error}


def attempts(store: Store, run: str, step: str, index: int = 0) -> list[AttemptRecord]:
    """Return the records of an instance's attempts, in order: what counts of them towards which budget stands there."""
    found = [each.record for each in read_observations(store.backend, run) if isinstance(each, Ended)]
    known = {each.number: each for each in found if (each.step, each.index) == (step, index)}
    return [known[number] for number in sorted(known)]


def checkpoints(store: Store, run: str, *, at: int) -> int:
    """Return how many steps of a run have left a checkpoint of some number in their first attempt."""
    keys = (entry.key for entry in list_all(store.backend, f"{run_prefix(run)}checkpoints/"))
    return sum(key.endswith(f"/{at:012}-0001.complete") for key in keys)


def remove(client: Client, run: str) -> None:
    """Delete the workflows of a run, as somebody may do by hand."""
    until = time.monotonic() + 30
    while not (listed := client.list(WORKFLOW, labels={naming.RUN: run}, metadata_only=True).items):
        if time.monotonic() > until:
            return
    for each in listed:
        client.delete(WORKFLOW, each["metadata"]["name"])
