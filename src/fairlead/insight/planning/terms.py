"""What pods require of where other pods are: near them, away from them, or spread evenly among them.

What is preferred alone keeps no pod away, and is not looked at.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
and https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fairlead.snapshots.parts import Part
from fairlead.snapshots.snapshot import Thing, Unread
from fairlead.targets.fitting import holds

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
NEAR, AWAY = f"spec.affinity.podAffinity.{_REQUIRED}", f"spec.affinity.podAntiAffinity.{_REQUIRED}"


class Term:
    """What a pod says of others.

    Args:
        part: Where it says so.
        of: The pod.

    Attributes:
        key: The label that nodes which are one place for it have alike.
    """

    def __init__(self, part: Part, of: Thing) -> None:
        self.part = part
        self.key = part.text("topologyKey")
        selector, own = part.part("labelSelector"), of.mapping("metadata.labels")
        alike, unlike = (_listed(part, name) for name in ("matchLabelKeys", "mismatchLabelKeys"))
        self._has_selector = selector.value is not None
        self._labels = {**selector.mapping("matchLabels"), **{key: own[key] for key in alike if key in own}}
        self._unlike = {key: own[key] for key in unlike if key in own}
        self._expressions = list(selector.each("matchExpressions"))
        is_of_all = part.part("namespaceSelector").value is not None  # an empty one: see `terms`
        self._namespaces = None if is_of_all else frozenset(_listed(part, "namespaces") or [of.ref.namespace])

    def means(self, namespace: str, labels: Mapping[str, Any]) -> bool:
        """Say whether a pod with a namespace and labels is one of these others."""
        return (
            self._has_selector
            and (self._namespaces is None or namespace in self._namespaces)
            and self._labels.items() <= labels.items()
            and all(holds(each, labels) for each in self._expressions)
            and all(labels.get(key) != value for key, value in self._unlike.items())
        )

    @property
    def label_keys(self) -> set[str]:
        """The labels by which it chooses others."""
        return {*self._labels, *self._unlike, *(each.text("key") for each in self._expressions)}


def _listed(part: Part, name: str) -> list[str]:
    found = part.part(name).value
    return [str(each) for each in found] if isinstance(found, list) else []


def terms(pod: Thing, path: str) -> list[Term]:
    """Return what a pod says at a place of its spec, but for what is of namespaces with some labels."""
    return [Term(each, pod) for each in pod.each(path) if not each.part("namespaceSelector").value]


def spread(pod: Thing) -> list[Term]:
    """Return among which others a pod must be spread."""
    found = terms(pod, "spec.topologySpreadConstraints")
    return [each for each in found if each.part.text("whenUnsatisfiable") != "ScheduleAnyway"]


def topology_keys(pod: Thing) -> list[str]:
    """Return the labels that a node of a pod must have, whatever their values, for it to be near others or spread."""
    return [each.key for each in (*terms(pod, NEAR), *spread(pod))]


def label_keys(pods: Iterable[Thing]) -> set[str]:
    """Return the labels by which pods choose others."""
    return {
        key for pod in pods for each in (*terms(pod, NEAR), *terms(pod, AWAY), *spread(pod)) for key in each.label_keys
    }


def unlooked(pod: Thing) -> Iterator[Unread]:
    """Yield that a pod chooses others by the labels of their namespaces."""
    if any(each.part("namespaceSelector").value for path in (NEAR, AWAY) for each in pod.each(path)):
        yield Unread(what="affinities to pods of namespaces with some labels", why="a plan does not look at them")
