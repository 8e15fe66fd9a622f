"""Pods on a real API server that nobody runs: the tests are scheduler and kubelet, and say what befalls them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from fairlead.kube.client import Client
from fairlead.kube.resources import EVENT, POD, SERVICE_ACCOUNT
from fairlead.naming import iso_time, utc_now
from fairlead.runs.reporting import read_report
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.graphs import Graph
from fairlead.specs.reports import RunReport
from fairlead.store import claims
from fairlead.store.backends import Folder, list_all
from fairlead.store.catalog import note_transition
from fairlead.store.evidence import read_evidence
from fairlead.store.layout import run_prefix, spec_key, submission_key
from fairlead.store.records import Claim, Evidence, Handover, RunSpec, encode
from fairlead.targets import naming

VALUE = "of-an-environment-variable"


class Site:
    """A run that was submitted to a namespace, and its pods.

    Args:
        client: The namespace.
        folder: Where the store is.
        graph: The run's graph.
        run: Its id.
        unschedulable: The policy of its context.
    """

    def __init__(
        self, client: Client, folder: Path, graph: Graph, *, run: str = "20261126-080000-abcde", unschedulable: str = ""
    ) -> None:
        self.client = client
        self.namespace = client.connection.namespace
        self.backend = Folder(folder)
        self.run = run
        self.spec = RunSpec(run=run, created=time.time(), graph=graph)
        self.backend.create(spec_key(run), encode(self.spec))
        self.claim: Claim = claims.take_claim(self.backend, run, now=time.time())
        context = Context(name="c", store="s3://b/p", unschedulable=unschedulable)
        submission = Submission(run=run, flow=graph.flow, context=context, namespace=self.namespace)
        self.backend.create(submission_key(run, self.claim.number), encode(submission))
        claims.hand_over(
            self.backend, run, self.claim, Handover(context="c", namespace=self.namespace, name=f"w-{run}")
        )
        note_transition(self.backend, run, graph.flow, "running", now=utc_now())

    def labels(self, **more: str) -> dict[str, str]:
        return {naming.RUN: self.run, naming.GENERATION: str(self.claim.number), **more}

    def pod(
        self, name: str, node: int = 0, *, on: str = "", annotations: dict[str, str] | None = None, **spec: Any
    ) -> dict[str, Any]:
        """Create the pod of a step, and put it on a node."""
        container = {
            "name": "main",
            "image": "i",
            "env": [{"name": "PASSWORD", "value": VALUE}],
            "resources": {"requests": {"cpu": "1"}},
        }
        made = {"containers": [container], "automountServiceAccountToken": False, "restartPolicy": "Never", **spec}
        labels = self.labels(**{naming.NODE: str(node), naming.ITEM: "0"})
        metadata = {"name": name, "labels": labels, "annotations": annotations or {}}
        manifest = {"metadata": metadata, "spec": {**made, **({"nodeName": on} if on else {})}}
        return self.client.create(POD, manifest)

    def becomes(self, name: str, **status: Any) -> dict[str, Any]:
        """Say what a pod's status is from now on."""
        return self.client.patch(POD, name, {"status": status}, subresource="status")

    def nowhere(self, name: str, *, since: float | None = None) -> dict[str, Any]:
        """Say that the scheduler has found no place for a pod."""
        unplaced = {
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available",
            "lastTransitionTime": iso_time(time.time() if since is None else since),
        }  # fmt: skip
        return self.becomes(name, conditions=[unplaced])

    def tell(self, pod: dict[str, Any], reason: str, message: str) -> None:
        """Tell an event of a pod."""
        about = {
            "kind": "Pod",
            "name": pod["metadata"]["name"],
            "namespace": self.namespace,
            "uid": pod["metadata"]["uid"],
        }
        self.client.create(
            EVENT,
            {
                "metadata": {"name": f"{pod['metadata']['name']}.{reason.lower()}"},
                "involvedObject": about,
                "type": "Warning",
                "reason": reason,
                "message": message,
                "count": 1,
                "lastTimestamp": iso_time(time.time()),
            },
        )

    def seen(self) -> list[Evidence]:
        return list(read_evidence(self.backend, self.run))

    def report(self) -> RunReport:
        return read_report(self.backend, self.run)

    def stored(self, folder: str) -> list[str]:
        prefix = run_prefix(self.run) + folder
        return [entry.key.removeprefix(prefix) for entry in list_all(self.backend, prefix)]


def furnished(client: Client) -> Client:
    """Give a namespace the account that pods must have."""
    client.create(SERVICE_ACCOUNT, {"metadata": {"name": "default"}})
    return client


def waiting(reason: str, message: str) -> list[dict[str, Any]]:
    return [container(waiting={"reason": reason, "message": message})]


def terminated(code: int, reason: str) -> list[dict[str, Any]]:
    return [container(terminated={"exitCode": code, "reason": reason})]


def container(**state: Any) -> dict[str, Any]:
    return {"name": "main", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}
