"""Following a run on a cluster: what its pods say while they wait, and what they have left in the store.

The store decides what has ended; pods only say why something has not begun. Whoever follows may stop at any time.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from fairlead.engines.contract import Observer
from fairlead.engines.kubernetes.known import KnownRuns, slim
from fairlead.engines.kubernetes.placing import Placing
from fairlead.engines.kubernetes.witness import Witness
from fairlead.errors import StoreError
from fairlead.kube.client import Client
from fairlead.kube.resources import POD, Kind
from fairlead.kube.watching import Watch
from fairlead.store.backends import Backend
from fairlead.store.history import Recorded, recorded_since
from fairlead.store.progress import Progress
from fairlead.store.records import RunSpec
from fairlead.targets import naming
from fairlead.targets.flows import FlowTarget
from fairlead.targets.podstatus import pod_status

LOOK_S = 0.5
"""Seconds between two looks at the store, at least; it is looked at when a pod has changed."""
_LOOK_MAX_S = 20.0
_READ_SHARE = 0.2
"""The most of its time that is spent on reading the store: to list the records of 10,000 steps takes seconds."""
_SYNC_S = 60.0
AWAY_S = 300.0
"""For how long a store may be away before nobody waits for it any more. The run goes on meanwhile."""


class Follower:
    """Tells an observer what becomes of a run, until the object that goes through it has ended.

    Args:
        client: The cluster.
        namespace: Where the run is.
        backend: The store.
        spec: What the run is.
        progress: How far it is; kept up here.
        observer: Is told what happens.
        target: What the run is there.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        backend: Backend,
        spec: RunSpec,
        progress: Progress,
        observer: Observer,
        target: FlowTarget,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._backend = backend
        self._spec = spec
        self._progress = progress
        self._observer = observer
        self._target = target
        self._recorded = Recorded()
        self._read_at = time.monotonic()
        self._read_s = 0.0
        self._news = threading.Event()

    def follow(self, name: str) -> bool:
        """Follow until the object of this name has ended; False where it is gone."""
        own, place, kind = f"metadata.name={name}", self._namespace, Kind(*self._target.resource)
        runs, noted = KnownRuns(self._backend), self._observer.noted
        placing = Placing(self._client, runs, noted=noted)
        with (
            Witness(self._client, runs, noted=noted) as witness,
            Watch(self._client, kind, namespace=place, fields=own, metadata_only=self._target.by_metadata) as objects,
            Watch(self._client, POD, namespace=place, labels={naming.RUN: self._spec.run}, project=slim) as pods,
        ):
            objects.wait_synced(_SYNC_S)
            pods.wait_synced(_SYNC_S)
            objects.listen(lambda _: self._news.set())
            pods.listen(lambda _: self._news.set())
            pods.listen(witness.see)
            while True:
                found = objects.get(name, self._namespace)
                self._look_at(pods.objects().values())
                placing.enforce(pods.objects().values())
                if self._read_records() and (found is None or self._target.is_completed(found)):
                    return found is not None
                self._wait()

    def _wait(self) -> None:
        """Wait for news, and so long that news come in handfuls; in vain only as long as a lost word may matter."""
        time.sleep(min(max(LOOK_S, self._read_s / _READ_SHARE), _LOOK_MAX_S))
        self._news.wait(10 * LOOK_S)
        self._news.clear()

    def _look_at(self, pods: Any) -> None:
        for pod in pods:
            key = naming.instance_of(pod, self._spec.graph)
            instance = None if key is None else self._progress.instances.get(key)
            if instance is None or instance.ended or instance.running is not None:
                continue
            status, reason = pod_status(pod)
            if status is not None and (instance.status, instance.reason or "") != (status, reason):
                instance.status, instance.reason = status, reason or None
                self._observer.changed(instance)

    def _read_records(self) -> bool:
        """Take in what was recorded; False where the store is away, for a while."""
        began = time.monotonic()
        try:
            for record in recorded_since(self._backend, self._spec.run, self._recorded):
                instance = self._progress.apply(record)
                if instance is not None:
                    self._observer.changed(instance)
        except StoreError as failure:
            if time.monotonic() - self._read_at >= AWAY_S:
                raise
            self._observer.noted(f"{failure.what}: {failure.why}; it is tried again, and the run goes on")
            return False
        self._read_at = time.monotonic()
        self._read_s = self._read_at - began
        return True
