"""The packages of steps that a driver calls: installed once each, before the jobs that need them are created."""

from __future__ import annotations

import time

from fairlead.engines.kubernetes.inside.owning import create_owned, this_pod
from fairlead.kube.client import Client
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import JOB
from fairlead.specs.contexts import Submission
from fairlead.store.backends import Backend
from fairlead.store.layers import is_known
from fairlead.store.progress import Instance
from fairlead.targets import job
from fairlead.targets.layers import Layer, layer_of

LOOK_S = 2.0
"""Seconds between two looks at a job that installs packages."""


class Packages:
    """Has the layers made that calls of a driver need.

    Args:
        client: The cluster.
        backend: The store.
        submission: Where the run is.
    """

    def __init__(self, client: Client, backend: Backend, submission: Submission) -> None:
        self._client = client
        self._backend = backend
        self._submission = submission
        self._ready: set[Layer] = set()
        self._jobs: dict[Layer, str] = {}
        self._looked: dict[Layer, float] = {}

    def are_there(self, instance: Instance) -> bool:
        """Say whether a called step need not wait for its packages: they are there, or can't be made, as it will say.

        The first that needs a layer has a job created that makes it.
        """
        layer = layer_of(instance.step, self._submission.context)
        if layer is None or layer in self._ready:
            return True
        if layer not in self._jobs and not is_known(self._backend, layer.lock, layer.image):
            manifest = job.installing(self._submission, layer.image, instance.name, instance.index)
            create_owned(self._client, manifest, this_pod())
            self._jobs[layer] = manifest["metadata"]["name"]
        if layer not in self._jobs or self._has_ended(layer):
            self._ready.add(layer)
        return layer in self._ready

    def _has_ended(self, layer: Layer) -> bool:
        now = time.monotonic()
        if now - self._looked.get(layer, 0.0) < LOOK_S:
            return False
        self._looked[layer] = now
        try:
            found = self._client.get(JOB, self._jobs[layer], namespace=self._submission.namespace)
        except NotFound:
            return True
        return job.end_of(found) is not None
