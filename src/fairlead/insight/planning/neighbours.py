"""Where the pods that are there let another pod be: by its required affinities, by theirs, and by how it is spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from fairlead.insight.planning.asked import Pods
from fairlead.insight.planning.nodes import Node
from fairlead.insight.planning.terms import AWAY, NEAR, Term, spread, terms
from fairlead.snapshots.snapshot import Thing
from fairlead.targets.fitting import is_chosen, tolerates


class _Count:
    """How many pods that a term means are in each place; `own` says whether it means the pods that say it."""

    def __init__(self, term: Term, pods: Pods) -> None:
        self.term = term
        self.own = term.means(pods.pod.ref.namespace, pods.pod.mapping("metadata.labels"))
        self.by_place: Counter[str] = Counter()

    def note(self, node: Node, change: int) -> None:
        if self.term.key in node.labels:
            self.by_place[node.labels[self.term.key]] += change

    def at(self, node: Node) -> int:
        return self.by_place[node.labels[self.term.key]] if self.term.key in node.labels else 0


class _Sort(NamedTuple):
    """What a pod means for others: where it counts, where it counts on some nodes, what it shuts."""

    everywhere: tuple[_Count, ...]
    spread: tuple[_Count, ...]
    shuts: tuple[str, ...]


class Neighbours:
    """What the pods that are there mean for pods that are alike.

    Args:
        pods: The pods.
        nodes: All nodes, with the pods that each has.
    """

    def __init__(self, pods: Pods, nodes: Iterable[Node]) -> None:
        self._pods = pods
        self._near, self._away, self._spread = (
            [_Count(each, pods) for each in found]
            for found in (terms(pods.pod, NEAR), terms(pods.pod, AWAY), spread(pods.pod))
        )
        self._shut: Counter[tuple[str, str]] = Counter()
        self._sorts: dict[int, _Sort] = {}
        self._spreading: dict[int, list[_Count]] = {}
        for node in nodes:
            for count in self._spreading_on(node):
                count.by_place[node.labels[count.term.key]] += 0  # a place where there may be none yet
            for each in node.held if self._speak else node.shy:
                self.note(each.pod, node)

    @property
    def _speak(self) -> bool:
        return bool(self._near or self._away or self._spread)

    @property
    def matter(self) -> bool:
        """Whether the pods may not be everywhere, for others."""
        return self._speak or any(self._shut.values())

    def note(self, pod: Thing, node: Node, change: int = 1) -> None:
        """Take note of a pod on a node, or with -1 that it is there no more."""
        sort = self._sorts.get(id(pod)) or self._sorts.setdefault(id(pod), self._sorted(pod))
        for each in sort.everywhere:
            each.note(node, change)
        for each in sort.spread:
            if each in self._spreading_on(node):
                each.note(node, change)
        for key in sort.shuts:
            if key in node.labels:
                self._shut[key, node.labels[key]] += change

    def _sorted(self, pod: Thing) -> _Sort:
        own, namespace, labels = self._pods.pod, pod.ref.namespace, pod.mapping("metadata.labels")

        def means(each: _Count) -> bool:
            return each.term.means(namespace, labels)

        near = self._near if all(map(means, self._near)) else ()
        shuts = (each for each in terms(pod, AWAY) if each.means(own.ref.namespace, own.mapping("metadata.labels")))
        return _Sort(
            (*near, *filter(means, self._away)), tuple(filter(means, self._spread)), tuple(each.key for each in shuts)
        )

    def refusal(self, node: Node) -> str:
        """Return in words why the pods can't be on a node; empty where they can."""
        if not all(each.at(node) for each in self._near) and not self._is_first:
            return "its pod affinity wants it near others, and none are there"
        for each in self._away:
            if each.at(node):
                return f"its pod anti-affinity keeps it away from those in {_place(each.term.key, node)}"
        for (key, value), count in self._shut.items():
            if count and node.labels.get(key) == value:
                return f"the pod anti-affinity of others keeps it out of {_place(key, node)}"
        for each in self._spread:
            if self._skew(each, node) > (each.term.part.number("maxSkew") or 1):
                return f"its topology spread constraint lets no more of them be in {_place(each.term.key, node)}"
        return ""

    @property
    def _is_first(self) -> bool:
        """Whether the pods want to be near their like, of whom there is none yet: one has to begin."""
        return not any(each.by_place.total() for each in self._near) and all(each.own for each in self._near)

    def _skew(self, count: _Count, node: Node) -> int:
        """Return how many more there would be in a node's place than where there are fewest."""
        places = count.by_place
        least = min(places.values(), default=0) if len(places) >= (count.term.part.number("minDomains") or 1) else 0
        return count.at(node) + count.own - least

    def _spreading_on(self, node: Node) -> list[_Count]:
        """Return those of the pods' constraints for which a node counts."""
        if id(node) not in self._spreading:
            has_all = all(each.term.key in node.labels for each in self._spread)
            found = [each for each in self._spread if self._includes(each.term, node)] if has_all else []
            self._spreading[id(node)] = found
        return self._spreading[id(node)]

    def _includes(self, term: Term, node: Node) -> bool:
        spec = self._pods.pod.part("spec")
        is_chosen_ = term.part.text("nodeAffinityPolicy") == "Ignore" or (
            spec.mapping("nodeSelector").items() <= node.labels.items()
            and is_chosen(spec, node.labels, node.thing.ref.name)
        )
        return is_chosen_ and (
            term.part.text("nodeTaintsPolicy") != "Honor"
            or all(tolerates(self._pods.tolerations, each) for each in node.taints)
        )


def _place(key: str, node: Node) -> str:
    return f"{key}={node.labels.get(key, '')}"
