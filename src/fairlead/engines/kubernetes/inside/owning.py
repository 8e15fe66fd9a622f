"""Objects that a pod creates belong to it, or to the workflow that it is of: they go when that goes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from fairlead.engines.kubernetes.submitting import create, kind_of
from fairlead.kube.client import Client
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import Kind
from fairlead.targets.orders import Manifest


class Owner(NamedTuple):
    """The object that others belong to."""

    api_version: str
    kind: str
    name: str
    uid: str


def this_pod() -> Owner:
    """Return the pod that this process is in."""
    return Owner("v1", "Pod", os.environ["FAIRLEAD_POD"], os.environ["FAIRLEAD_POD_UID"])


def owner_of(kind: Kind, found: Mapping[str, Any]) -> Owner:
    """Return an object as what others belong to.

    Args:
        kind: Its kind, which one that was read without all but its metadata does not say.
        found: The object, as the cluster has it.
    """
    return Owner(kind.api_version, kind.kind, found["metadata"]["name"], found["metadata"]["uid"])


def create_owned(client: Client, manifest: Manifest, owner: Owner) -> dict[str, Any]:
    """Create an object that is removed with its owner, or adopt the one that an earlier pod has made.

    Returns:
        Its metadata at least, as the cluster has it.
    """
    metadata = {**manifest["metadata"], "ownerReferences": [_reference(owner)]}
    return create(client, {**manifest, "metadata": metadata})


def create_shared(client: Client, manifest: Manifest, owner: Owner) -> None:
    """Create an object that is removed with the last of its owners, or become one of those that it has."""
    metadata = create_owned(client, manifest, owner)["metadata"]
    owners = metadata.get("ownerReferences") or []
    if owner.uid not in (each["uid"] for each in owners):
        shared = {"resourceVersion": metadata["resourceVersion"], "ownerReferences": [*owners, _reference(owner)]}
        name, namespace = metadata["name"], metadata["namespace"]
        client.patch(kind_of(manifest), name, {"metadata": shared}, namespace=namespace)


def _reference(owner: Owner) -> dict[str, str]:
    return {"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid}


def remove(client: Client, manifest: Manifest) -> None:
    """Remove an object and what it has created; nothing happens where it is gone."""
    meta = manifest["metadata"]
    with suppress(NotFound):
        client.delete(kind_of(manifest), meta["name"], namespace=meta["namespace"], propagation="Background")
