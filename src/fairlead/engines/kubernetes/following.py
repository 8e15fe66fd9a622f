"""Following a run on a cluster: what its pods say while they wait, and what they have left in the store.

The store decides what has ended; pods only say why something has not begun. Whoever follows may stop at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fairlead.engines.contract import Observer
from fairlead.kube.client import Client
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import POD, WORKFLOW
from fairlead.store.backends import Backend
from fairlead.store.history import Recorded, recorded_since
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import RunSpec
from fairlead.targets import naming
from fairlead.targets.podstatus import pod_status

PAUSE_S = 0.5
"""Seconds between two looks."""


class Follower:
    """Tells an observer what becomes of a run, until its workflow has ended.

    Args:
        client: The cluster.
        namespace: Where the run is.
        backend: The store.
        spec: What the run is.
        progress: How far it is; kept up here.
        observer: Is told what happens.
        sleep: Waits; for tests.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        backend: Backend,
        spec: RunSpec,
        progress: Progress,
        observer: Observer,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._backend = backend
        self._spec = spec
        self._progress = progress
        self._observer = observer
        self._sleep = sleep
        self._recorded = Recorded()

    def follow(self, workflow: str) -> bool:
        """Follow until the workflow has ended; False where it is gone."""
        while True:
            ended = self._has_ended(workflow)
            self._look_at_pods()
            self._read_records()
            if ended is not False:
                return ended is True
            self._sleep(PAUSE_S)

    def _has_ended(self, workflow: str) -> bool | None:
        """Say whether a workflow has ended; None where there is none."""
        try:
            found = self._client.get(WORKFLOW, workflow, namespace=self._namespace, metadata_only=True)
        except NotFound:
            return None
        return is_completed(found)

    def _look_at_pods(self) -> None:
        labels = {naming.RUN: self._spec.run}
        for pod in self._client.list(POD, namespace=self._namespace, labels=labels).items:
            instance = self._instance_of(pod)
            if instance is None or instance.ended or instance.running is not None:
                continue
            status, reason = pod_status(pod)
            if status is not None and (instance.status, instance.reason or "") != (status, reason):
                instance.status, instance.reason = status, reason or None
                self._observer.changed(instance)

    def _instance_of(self, pod: dict[str, Any]) -> Instance | None:
        labels = pod["metadata"].get("labels", {})
        if naming.NODE not in labels:
            return None
        node, item = int(labels[naming.NODE]), int(labels.get(naming.ITEM, 0))
        instances = self._progress.instances_of(node)
        return instances[item] if item < len(instances) else None

    def _read_records(self) -> None:
        for record in recorded_since(self._backend, self._spec.run, self._recorded):
            instance = self._progress.apply(record)
            if instance is not None:
                self._observer.changed(instance)


def is_completed(workflow: dict[str, Any]) -> bool:
    """Say whether a workflow has ended, by its metadata: its last pod too."""
    labels: dict[str, str] = workflow["metadata"].get("labels", {})
    return labels.get("workflows.argoproj.io/completed") == "true"
