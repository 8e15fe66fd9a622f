"""Room for pods that must be there at once: they are put on nodes one after another, and may preempt others.

It is what the scheduler does, but for which of several nodes it likes best. PodDisruptionBudgets, which it keeps where
it can and breaks where it can't, are not looked at.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from fairlead.insight.planning.asked import Pods
from fairlead.insight.planning.nodes import Held, Node, give, room, take
from fairlead.snapshots.snapshot import Thing

_LARGEST = 1 << 32
"""More than any priority, so that of two sums the longer is the larger."""


class Room:
    """What nodes have left while pods are put on them.

    Args:
        gone: Workloads that end before: the room of their pods is free, as far as these can be told to be theirs.

    Attributes:
        preempted: The pods whose place was taken.
    """

    def __init__(self, gone: Iterable[Thing] = ()) -> None:
        self.preempted: list[Held] = []
        self._gone = {uid for each in gone for uid in each.owners}
        self._left: dict[int, dict[str, Decimal]] = {}

    def put(self, pods: Pods, nodes: Iterable[Node], count: int) -> int:
        """Put pods on nodes that have room; returns how many of so many found some."""
        wanted = count
        for node in nodes:
            if not wanted:
                break
            left = self._left_on(node)
            fit = min(wanted, room(pods.requests, left))
            take(pods.requests, left, fit)
            wanted -= fit
        return count - wanted

    def preempt(self, pods: Pods, nodes: Iterable[Node], count: int, priority: int) -> int:
        """Put pods in the place of others that matter less; returns how many of so many found one."""
        listed = list(nodes)
        for done in range(count):
            found = [(victims, node) for node in listed if (victims := self._victims(pods, node, priority))]
            if not found:
                return done
            victims, node = min(found, key=lambda each: _weight(each[0]))
            left = self._left_on(node)
            for each in victims:
                give(each.requests, left)
            take(pods.requests, left, 1)
            self.preempted += victims
        return count

    def _victims(self, pods: Pods, node: Node, priority: int) -> list[Held]:
        """Return whose place a pod takes on a node, as few as will do; none where there is no room even so."""
        left = dict(self._left_on(node))
        lower = [each for each in self._held(node) if each.priority < priority and each not in self.preempted]
        for each in lower:
            give(each.requests, left)
        if not lower or room(pods.requests, left) < 1:
            return []
        victims = []
        for each in sorted(lower, key=lambda each: (-each.priority, each.since)):  # who matters most stays first
            take(each.requests, left, 1)
            if room(pods.requests, left) < 1:
                give(each.requests, left)
                victims.append(each)
        return victims

    def _left_on(self, node: Node) -> dict[str, Decimal]:
        if id(node) not in self._left:
            left = self._left[id(node)] = node.left
            for each in node.held if self._gone else ():
                if self._is_gone(each):
                    give(each.requests, left)
        return self._left[id(node)]

    def _held(self, node: Node) -> list[Held]:
        return [each for each in node.held if not self._is_gone(each)] if self._gone else node.held

    def _is_gone(self, held: Held) -> bool:
        return not self._gone.isdisjoint((held.pod.uid, *held.pod.owners))


def _weight(victims: Iterable[Held]) -> tuple[int, int]:
    """Return how much it matters that pods go: the most important first, then all together."""
    values = [each.priority for each in victims]
    return max(values), sum(value + _LARGEST for value in values)
