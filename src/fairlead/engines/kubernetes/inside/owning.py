"""Objects that a pod creates belong to it: they go when it goes."""

from __future__ import annotations

import os
from contextlib import suppress

from fairlead.engines.kubernetes.submitting import KINDS, create
from fairlead.kube.client import Client
from fairlead.kube.failures import NotFound
from fairlead.targets.orders import Manifest


def create_owned(client: Client, manifest: Manifest) -> None:
    """Create an object that is removed with this pod, or adopt the one that an earlier pod has made."""
    name, uid = os.environ["FAIRLEAD_POD"], os.environ["FAIRLEAD_POD_UID"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}
    metadata = {**manifest["metadata"], "ownerReferences": [owner]}
    create(client, {**manifest, "metadata": metadata})


def remove(client: Client, manifest: Manifest) -> None:
    """Remove an object and what it has created; nothing happens where it is gone."""
    meta = manifest["metadata"]
    with suppress(NotFound):
        client.delete(KINDS[manifest["kind"]], meta["name"], namespace=meta["namespace"], propagation="Background")
