"""Nodes that are near each other: those with the same value of a label, that of a rack or a block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fairlead.planner.nodes import Node


class Domains:
    """The domains that nodes are in, level by level. A node without the label of a level is in none of it.

    Args:
        nodes: The nodes.
        labels: The label of each level, that of the narrowest first.
    """

    def __init__(self, nodes: Sequence[Node], labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._values = [[dict(node.labels).get(label) for node in nodes] for label in labels]
        self._levels = [
            [np.array([each == value for each in values], dtype=bool) for value in sorted({*values} - {None}, key=str)]
            for values in self._values
        ]

    def tightest(self, left: NDArray[np.int64], needed: int) -> Iterator[NDArray[np.bool_]]:
        """Yield which nodes are in a domain, for each that may have room: the narrowest first, of these the fullest.

        Args:
            left: What each node has left of its GPUs, in thousandths of one: [nodes].
            needed: What is to find room there together.
        """
        for domains in self._levels:
            free = [int(left[each].sum()) for each in domains]
            for number in sorted(range(len(domains)), key=lambda each: free[each]):
                if free[number] >= needed:
                    yield domains[number]

    def are_one(self, level: int, nodes: Iterable[int]) -> bool:
        """Say whether some nodes, by their numbers, are in one domain of a level."""
        found = {self._values[level][node] for node in nodes}
        return len(found) == 1 and None not in found
