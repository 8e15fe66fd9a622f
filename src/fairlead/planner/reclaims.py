"""Nodes that are taken away and come back: as a table says it, or drawn for each node by a seed.

How long after the first arrival a node is taken follows from its own name, its own rate and the seed alone: other nodes
and other jobs change nothing of it, so that what is compared differs in what was changed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush, merge
from random import Random
from typing import NamedTuple

import msgspec

from fairlead.planner.nodes import Node, ReclaimRate
from fairlead.quantities import parse_duration

_HOUR_S = 3600
RATE_MOST = 60
"""No node is taken more often in an hour."""


class Reclaim(msgspec.Struct, frozen=True, kw_only=True):
    """A node that is taken away.

    Attributes:
        node: Its name.
        at_s: When, in seconds as arrivals are counted.
        back_s: From when on it is there again; None where it never is.
    """

    node: str
    at_s: int
    back_s: int | None = None


class Event(NamedTuple):
    """A node goes, or is back."""

    at_s: int
    node: int
    is_back: bool


class _Span(NamedTuple):
    at_s: int
    back_s: float


class _Absence(NamedTuple):
    at_s: int
    node: int
    back_s: float


class Absences:
    """Which nodes are away, and what becomes of them next.

    Args:
        nodes: The nodes; those that have a rate are taken by it, from the start on.
        listed: What is known beforehand; of nodes that are not there nothing is.
        seed: Decides what is drawn.
        start_s: Where the time begins.

    Attributes:
        is_possible: Whether any node is ever taken.
        next_s: When a node goes or is back next; never is infinite.
    """

    def __init__(self, nodes: Sequence[Node], listed: Iterable[Reclaim], seed: int, start_s: int) -> None:
        spans: defaultdict[str, list[_Span]] = defaultdict(list)
        for each in listed:
            spans[each.node].append(_Span(each.at_s, math.inf if each.back_s is None else each.back_s))
        found = [
            _of_node(index, sorted(spans[node.name]), _drawn(node, seed, start_s))
            for index, node in enumerate(nodes)
            if node.reclaims is not None or node.name in spans
        ]
        self.is_possible = bool(found)
        self._start_s = start_s
        self._coming = merge(*found)
        self._next = next(self._coming, None)
        self._returns: list[tuple[int, int]] = []
        self._since_s: dict[int, int] = {}
        self._away_s = [0] * len(nodes)
        self.next_s = self._find_next_s()

    @property
    def returning(self) -> list[int]:
        """The nodes that are away and come back."""
        return [node for _, node in self._returns]

    def until(self, now_s: int) -> Iterator[Event]:
        """Yield what becomes of nodes until then, in order of time."""
        while self.next_s <= now_s:
            if self._returns and self._returns[0][0] == self.next_s:
                at_s, node = heappop(self._returns)
                self._away_s[node] += max(at_s, self._start_s) - self._since_s.pop(node)
                found = Event(at_s, node, is_back=True)
            else:
                assert self._next is not None
                at_s, node, back_s = self._next
                self._next = next(self._coming, None)
                self._since_s[node] = max(at_s, self._start_s)
                if back_s < math.inf:
                    heappush(self._returns, (int(back_s), node))
                found = Event(at_s, node, is_back=False)
            self.next_s = self._find_next_s()
            yield found

    def _find_next_s(self) -> float:
        coming = math.inf if self._next is None else self._next.at_s
        return min(coming, self._returns[0][0]) if self._returns else coming

    def away_s(self, end_s: int) -> tuple[int, ...]:
        """Return how long each node was away, from the start to an end."""
        return tuple(
            away_s + (end_s - self._since_s[node] if node in self._since_s else 0)
            for node, away_s in enumerate(self._away_s)
        )


def rate_of(per_h: float | None, back_after: str | float | None) -> ReclaimRate | None:
    """Return a rate as people write it; None where they don't.

    Args:
        per_h: How often in an hour.
        back_after: After how long a node is there again, as a duration.

    Raises:
        ValueError: Only one of both is given, or one of them can't be.
    """
    if per_h is None and back_after is None:
        return None
    if per_h is None or back_after is None:
        raise ValueError("how often nodes are taken and after how long they are back must be given together")
    if not 0 <= per_h <= RATE_MOST:
        raise ValueError(f"a rate must be 0 to {RATE_MOST} in an hour, got {per_h}")
    return ReclaimRate(per_h, math.ceil(parse_duration(back_after)))


def _of_node(node: int, known: Iterable[_Span], drawn: Iterable[_Span]) -> Iterator[_Absence]:
    """Yield when a node is away: spans that meet are one."""
    before: _Span | None = None
    for span in merge(known, drawn):
        if before is None:
            before = span
        elif span.at_s <= before.back_s:
            before = _Span(before.at_s, max(before.back_s, span.back_s))
        else:
            yield _Absence(before.at_s, node, before.back_s)
            before = span
        if before.back_s == math.inf:
            break
    if before is not None:
        yield _Absence(before.at_s, node, before.back_s)


def _drawn(node: Node, seed: int, start_s: int) -> Iterator[_Span]:
    """Yield when a node is taken by its rate: whenever it is there, as likely in each second as in any other."""
    rate = node.reclaims
    if rate is None or not rate.per_h:
        return
    # not planner.streams: its state is long, and there would be one for each node
    chance, back_s = Random(f"{seed} {node.name}"), start_s
    while True:
        at_s = back_s + max(1, math.ceil(chance.expovariate(rate.per_h / _HOUR_S)))
        back_s = at_s + rate.back_after_s
        yield _Span(at_s, back_s)
