"""What objects can be decoded to, where not all of an object is wanted."""

from __future__ import annotations

from typing import Any, TypedDict


class LeanMetadata(TypedDict, total=False):
    """The metadata without the managed fields, which often are a third of an object."""

    name: str
    generateName: str
    namespace: str
    uid: str
    resourceVersion: str
    generation: int
    creationTimestamp: str
    deletionTimestamp: str
    deletionGracePeriodSeconds: int
    labels: dict[str, str]
    annotations: dict[str, str]
    finalizers: list[str]
    ownerReferences: list[dict[str, Any]]


class Lean(TypedDict, total=False):
    """A dict of an object with spec and status, without its managed fields; other fields are dropped too.

    For `list` and watches of kinds such as Pod, Job and Workflow.
    """

    apiVersion: str
    kind: str
    metadata: LeanMetadata
    spec: dict[str, Any]
    status: dict[str, Any]
