"""What waits in a queue: in order, and looked at only where it may have become possible.

What asks for the same with the same priority fares the same: where one of them can't begin, none of them is looked at
until something has ended. A strict queue looks at nothing but its first workload.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

from fairlead.queues.assigning import Tried
from fairlead.queues.specs import ClusterQueue, Workload

_Shape = tuple[object, ...]
_Rank = tuple[int, float, str]


class Last(NamedTuple):
    """What was tried for a workload last, in which cycle, and how much of its queue had ended by then."""

    tried: Tried
    cycle: int
    endings: int


class Waiting:
    """The workloads that wait in a queue.

    Args:
        queue: The queue.

    Attributes:
        last: What was tried for each of them last.
        preemptor: The one that work was taken back for: it is the first, but for those of strict queues.
    """

    def __init__(self, queue: ClusterQueue) -> None:
        self.queue = queue
        self.last: dict[str, Last] = {}
        self.preemptor = ""
        self._there: dict[str, Workload] = {}
        self._shapes: dict[_Shape, list[tuple[_Rank, str]]] = {}
        self._closed: set[_Shape] = set()

    @property
    def names(self) -> set[str]:
        """The names of all that wait."""
        return set(self._there)

    def push(self, workload: Workload, *, closed: bool = False) -> None:
        """Have a workload wait.

        Args:
            workload: The workload.
            closed: Whether none like it is looked at before something ends.
        """
        shape = _shape(workload)
        self._there[workload.name] = workload
        heappush(self._shapes.setdefault(shape, []), (_rank(workload), workload.name))
        if closed:
            self._closed.add(shape)

    def pop(self) -> Workload | None:
        """Take the first workload out that is looked at."""
        first = self._there.get(self.preemptor)
        if first is not None and self.queue.strategy == "BestEffortFIFO" and _shape(first) not in self._closed:
            return self._there.pop(first.name)
        best: tuple[_Rank, str] | None = None
        for shape in list(self._shapes):
            heap = self._shapes[shape]
            while heap and heap[0][1] not in self._there:
                heappop(heap)
            if not heap:
                del self._shapes[shape]
            elif shape not in self._closed and (best is None or heap[0] < best):
                best = heap[0]
        return None if best is None else self._there.pop(best[1])

    def reopen(self) -> bool:
        """Have everything looked at again; returns whether there is anything that was not."""
        found = bool(self._closed)
        self._closed.clear()
        return found and bool(self._there)

    def forget(self, name: str) -> None:
        """Have a workload wait no longer."""
        self._there.pop(name, None)
        self.last.pop(name, None)
        if self.preemptor == name:
            self.preemptor = ""


def _rank(workload: Workload) -> _Rank:
    return -workload.priority, workload.created, workload.uid


def _shape(workload: Workload) -> _Shape:
    asked = tuple(tuple(sorted(each.items())) for each in workload.pod_sets)
    return workload.priority, asked, workload.flavors
