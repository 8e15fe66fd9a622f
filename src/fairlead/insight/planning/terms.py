"""What pods require of where other pods are: near them, away from them, or spread evenly among them.

What is preferred alone keeps no pod away, and is not looked at.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
and https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.snapshots.parts import Part
from fairlead.snapshots.snapshot import Thing, Unread
from fairlead.targets.fitting import holds

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
NEAR, AWAY = f"spec.affinity.podAffinity.{_REQUIRED}", f"spec.affinity.podAntiAffinity.{_REQUIRED}"


@dataclass(frozen=True, eq=False)
class Term:
    """What a pod says of others.

    Args:
        part: Where it says so.
        of: The pod.
    """

    part: Part
    of: Thing

    @property
    def key(self) -> str:
        """The label that nodes which are one place for it have alike."""
        return self.part.text("topologyKey")

    def means(self, pod: Thing) -> bool:
        """Say whether a pod is one of these others."""
        return self._has_namespace(pod.ref.namespace) and self._selects(pod.mapping("metadata.labels"))

    @property
    def label_keys(self) -> Iterator[str]:
        """The labels by which it chooses others."""
        selector = self.part.part("labelSelector")
        yield from selector.mapping("matchLabels")
        yield from (each.text("key") for each in selector.each("matchExpressions"))
        yield from self._listed("matchLabelKeys")
        yield from self._listed("mismatchLabelKeys")

    def _has_namespace(self, name: str) -> bool:
        named = self._listed("namespaces")
        if self.part.part("namespaceSelector").value is not None:
            return True  # an empty one: of those with terms see `terms`
        return name in (named or (self.of.ref.namespace,))

    def _selects(self, labels: Mapping[str, Any]) -> bool:
        selector, own = self.part.part("labelSelector"), self.of.mapping("metadata.labels")
        return selector.value is not None and (
            selector.mapping("matchLabels").items() <= labels.items()
            and all(holds(each, labels) for each in selector.each("matchExpressions"))
            and all(labels.get(key) == own[key] for key in self._listed("matchLabelKeys") if key in own)
            and all(labels.get(key) != own[key] for key in self._listed("mismatchLabelKeys") if key in own)
        )

    def _listed(self, name: str) -> list[str]:
        found = self.part.part(name).value
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
