"""Room for pods that must be there at once: they are put on nodes one after another, and may preempt others.

It is what the scheduler does, but for which of several nodes it likes best. PodDisruptionBudgets, which it keeps where
it can and breaks where it can't, are not looked at.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import dropwhile, islice
from typing import NamedTuple

from fairlead.insight.planning.asked import Pods
from fairlead.insight.planning.neighbours import Neighbours
from fairlead.insight.planning.nodes import Held, Node, give, room, take
from fairlead.snapshots.snapshot import Thing

_TRIED_LEAST, _TRIED_SHARE = 100, 10
"""The scheduler looks for nodes to preempt on until it has found so many, or one of so many of all."""
_LARGEST = 1 << 32
"""More than any priority, so that of two sums the longer is the larger."""


class Refusal(NamedTuple):
    """A node that has room for a pod, and why it can't be there."""

    node: Node
    why: str


class Room:
    """What nodes have left while pods are put on them.

    Args:
        nodes: All nodes.
        gone: Workloads that end before: the room of their pods is free, as far as these can be told to be theirs.

    Attributes:
        preempted: The pods whose place was taken.
    """

    def __init__(self, nodes: Sequence[Node], gone: Iterable[Thing] = ()) -> None:
        self.preempted: list[Held] = []
        self._nodes = nodes
        self._gone = {uid for each in gone for uid in each.owners}
        self._left: dict[int, dict[str, Decimal]] = {}
        self._placed: list[tuple[Thing, Node]] = []
        self._arounds: dict[int, Neighbours] = {}

    def put(self, pods: Pods, nodes: Iterable[Node], count: int) -> int:
        """Put pods on nodes that have room; returns how many of so many found some."""
        around, listed = self._around(pods), list(nodes)
        for done in range(count):
            listed = [*dropwhile(lambda node: not self._takes(pods, node), listed)]
            found = next((node for node in listed if not around.refusal(node) and self._takes(pods, node)), None)
            if found is None:
                return done
            self._place(pods, found)
        return count

    def refusal(self, pods: Pods, nodes: Iterable[Node]) -> Refusal | None:
        """Return a node that has room for a pod, and why it can't be there for the pods that are."""
        around = self._around(pods)
        if not around.matter:
            return None
        able = (Refusal(node, around.refusal(node)) for node in nodes if self._takes(pods, node))
        return next((each for each in able if each.why), None)

    def preempt(self, pods: Pods, nodes: Iterable[Node], count: int, priority: int) -> int:
        """Put pods in the place of others that matter less; returns how many of so many found one."""
        listed, around = list(nodes), self._around(pods)
        for done in range(count):
            tried = ((self._victims(pods, node, priority, around), node) for node in listed)
            found = list(islice((each for each in tried if each[0]), max(_TRIED_LEAST, len(listed) // _TRIED_SHARE)))
            if not found:
                return done
            victims, node = min(found, key=lambda each: _weight(each[0]))
            for each in victims:
                give(each.requests, self._left_on(node))
                self._note(each.pod, node, -1)
            self.preempted += victims
            self._place(pods, node)
        return count

    def _victims(self, pods: Pods, node: Node, priority: int, around: Neighbours) -> list[Held]:
        """Return whose place a pod takes on a node, as few as will do; none where it can't be there even so."""
        lower = [each for each in node.held if each.priority < priority and not self._is_gone(each)]
        if not lower:
            return []
        left, gone = dict(self._left_on(node)), list[Held]()

        def go(held: Held) -> None:
            give(held.requests, left)
            around.note(held.pod, node, -1)
            gone.append(held)

        def stay(held: Held) -> None:
            take(held.requests, left, 1)
            around.note(held.pod, node)
            gone.remove(held)

        def suffices() -> bool:
            return room(pods.needs, left) >= 1 and not around.refusal(node)

        for each in lower:
            go(each)
        found = list[Held]()
        if suffices():
            for each in sorted(lower, key=lambda each: (-each.priority, each.since)):  # who matters most stays first
                stay(each)
                if not suffices():
                    go(each)
            found = list(gone)
        for each in list(gone):
            stay(each)
        return found

    def _place(self, pods: Pods, node: Node) -> None:
        take(pods.needs, self._left_on(node), 1)
        self._placed.append((pods.pod, node))
        self._note(pods.pod, node, 1)

    def _note(self, pod: Thing, node: Node, change: int) -> None:
        for each in self._arounds.values():
            each.note(pod, node, change)

    def _takes(self, pods: Pods, node: Node) -> bool:
        return room(pods.needs, self._left_on(node)) >= 1

    def _around(self, pods: Pods) -> Neighbours:
        """Return what the pods that are there by now mean for others."""
        if id(pods) not in self._arounds:
            found = self._arounds[id(pods)] = Neighbours(pods, self._nodes)
            for node in self._nodes if found.matter and (self._gone or self.preempted) else ():
                for each in filter(self._is_gone, node.held):
                    found.note(each.pod, node, -1)
            for pod, node in self._placed:
                found.note(pod, node)
        return self._arounds[id(pods)]

    def _left_on(self, node: Node) -> dict[str, Decimal]:
        if id(node) not in self._left:
            left = self._left[id(node)] = node.left
            for each in node.held if self._gone else ():
                if self._is_gone(each):
                    give(each.requests, left)
        return self._left[id(node)]

    def _is_gone(self, held: Held) -> bool:
        return any(held is each for each in self.preempted) or not self._gone.isdisjoint(
            (held.pod.uid, *held.pod.owners) if self._gone else ()
        )


def _weight(victims: Iterable[Held]) -> tuple[int, int]:
    """Return how much it matters that pods go: the most important first, then all together."""
    values = [each.priority for each in victims]
    return max(values), sum(value + _LARGEST for value in values)
