"""The line of steps that are ready and wait for room on the machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from fairlead.engines.local.capacity import Amount, Capacity, demand
from fairlead.store.progress import Instance

PASSES_MAX = 50
"""How often others may go past the step that has waited longest: then it is held a place for."""


class WaitingLine:
    """Keeps waiting instances by what they ask for, so that many of one size hide nobody behind them."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._lines: dict[Amount, deque[tuple[int, Instance]]] = {}
        self._serial = 0
        self._passed = (-1, 0)  # who has waited longest without fitting, and how often others went past

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def add(self, instance: Instance) -> None:
        """Put an instance at the end."""
        self._serial += 1
        amount = demand(instance.step, self._capacity.machine)
        self._lines.setdefault(amount, deque()).append((self._serial, instance))

    def clear(self) -> None:
        """Leave nobody waiting."""
        self._lines.clear()

    def take(self) -> Iterator[tuple[Instance, Amount, tuple[int, ...]]]:
        """Yield what fits now, those first who have waited longest; what they ask for is taken, GPUs by number."""
        held_up: int | None = None
        for amount, line in sorted(self._lines.items(), key=lambda each: each[1][0][0]):
            while line:
                serial, instance = line[0]
                if instance.ended:  # cancelled while it waited
                    line.popleft()
                    continue
                gpus = self._capacity.take(amount)
                if gpus is None:
                    held_up = serial if held_up is None else held_up
                    break
                line.popleft()
                self._count_pass(held_up)
                yield instance, amount, gpus
            if not line:
                del self._lines[amount]
            elif held_up is not None and self._passed[0] == held_up and self._passed[1] >= PASSES_MAX:
                return

    def _count_pass(self, held_up: int | None) -> None:
        if held_up is None:
            return
        first, count = self._passed
        self._passed = (held_up, count + 1 if first == held_up else 1)
