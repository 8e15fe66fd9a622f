"""The pods that an object of a cluster is made for: which there are, and how many of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.targets.orders import Manifest

_COUNTS = ("replicas", "parallelism", "instances")
"""The fields by which kinds say how many pods there are of what stands beside or below them."""
_SILENT = ("spec", "template", "replicatedJobs")
"""What of a path says nothing of what its pods are for."""


@dataclass(frozen=True, slots=True)
class PodSet:
    """Pods that are alike.

    Args:
        role: What they are for, in the words of the object: ``Worker``; empty where there is but one sort.
        count: How many there are.
        template: Their metadata and spec.
    """

    role: str
    count: int
    template: Manifest


def pod_sets(manifest: Manifest) -> Iterator[PodSet]:
    """Yield the pods that an object has made, whatever its kind: a Job, a JobSet, a PyTorchJob, a RayJob."""
    yield from _within(manifest.get("spec"), "", 1)


def _within(value: Any, role: str, count: int) -> Iterator[PodSet]:
    if isinstance(value, list):
        for each in value:
            yield from _within(each, role, count)
    if not isinstance(value, Mapping):
        return
    count *= next((value[name] for name in _COUNTS if isinstance(value.get(name), int)), 1)
    spec = value.get("spec")
    if isinstance(spec, Mapping) and isinstance(spec.get("containers"), list):
        yield PodSet(role, count, dict(value))
        return
    for name, each in value.items():
        yield from _within(each, role if name in _SILENT else name, count)
