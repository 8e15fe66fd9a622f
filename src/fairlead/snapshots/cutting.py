"""Cutting a picture of a cluster to what one namespace may see: what others run has neither names nor words in it.

What it takes of nodes and queues stays, since that is why things wait. What has no namespace, such as nodes and the
queues of the cluster, stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_METADATA = ("uid", "creationTimestamp")
_SPEC = ("nodeName", "containers", "initContainers", "overhead", "resources", "priority", "active", "clusterQueue")
_CONDITION = ("type", "status", "reason", "lastTransitionTime")


def cut(objects: Iterable[Mapping[str, Any]], namespace: str) -> Iterator[Mapping[str, Any]]:
    """Yield objects as they are, and those of other namespaces by what they take alone, under names of their own.

    Args:
        objects: Pods, Workloads and LocalQueues, and what has no namespace.
        namespace: The one whose objects stay as they are.
    """
    names: dict[tuple[str, ...], str] = {}

    def named(kind: str, *real: str) -> str:
        return names.setdefault((kind, *real), f"another-{kind.lower()}-{len(names) + 1}")

    for each in objects:
        kind, metadata = str(each["kind"]), each["metadata"]
        space = metadata.get("namespace") or ""
        if space in ("", namespace):
            yield each
            continue
        spec, status = each.get("spec") or {}, each.get("status") or {}
        kept = {name: spec[name] for name in _SPEC if name in spec}
        if "queueName" in spec:
            kept["queueName"] = named("LocalQueue", space, spec["queueName"])
        known = {name: metadata[name] for name in _METADATA if name in metadata}
        own = {"namespace": named("Namespace", space), "name": named(kind, space, metadata["name"])}
        conditions = [{name: one[name] for name in _CONDITION if name in one} for one in status.get("conditions") or ()]
        phase = {"phase": status["phase"]} if "phase" in status else {}
        yield {"kind": kind, "metadata": {**known, **own}, "spec": kept, "status": {**phase, "conditions": conditions}}
