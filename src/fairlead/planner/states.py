"""What a node has left, and how a pod takes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from fairlead.planner.mig.layouts import Instance
from fairlead.planner.mig.placing import Place
from fairlead.planner.nodes import GPU_MILLIS, Node
from fairlead.planner.workloads import Demand


class GpuState(NamedTuple):
    """What is left of a node's GPUs, whichever it is left of; few of them occur, and what follows of one is kept.

    Attributes:
        model: The index of their model among those of all nodes.
        left: What is left of each, in thousandths, least first; of those that are cut in the order of the devices.
        profiles: For each the MIG profiles of which it has an instance to give; None where they are not cut.
    """

    model: int
    left: tuple[int, ...]
    profiles: tuple[frozenset[str], ...] | None = None


class NodeState:
    """One node while pods come.

    Args:
        node: What it has.
        models: The models of GPUs of all nodes, in order.

    Attributes:
        gpus: How many GPUs it has.
        cut: The GPUs with their instances, where they are cut.
        cpu_left: CPU that no pod has, in thousandths of a core.
        memory_left: Memory that no pod has, in MiB.
        left: What is left of each GPU, in thousandths, in the order of the devices.
        state: The same in order of what is left.
        hosted: The classes of the pods that it has, with how many there are: 0 where they share a GPU, else how many
            they take.
    """

    __slots__ = ("cpu_left", "cut", "gpus", "hosted", "left", "memory_left", "name", "state")

    def __init__(self, node: Node, models: Sequence[str]) -> None:
        self.name = node.name
        self.gpus = node.gpus
        self.cpu_left = node.cpu_millis
        self.memory_left = node.memory_mib
        self.left = [GPU_MILLIS] * node.gpus
        self.cut = None if node.cut is None else node.cut.gpus(node.gpus)
        self.state = GpuState(models.index(node.model), tuple(self.left), self.cut.profiles if self.cut else None)
        self.hosted: Counter[int] = Counter()

    @property
    def gpu_left(self) -> int:
        """What is left of all GPUs together, in thousandths."""
        return sum(self.left)

    def place(self, demand: Demand, device: int | None) -> tuple[int, ...]:
        """Give a pod what it asks for; it must fit.

        Args:
            demand: What it asks for.
            device: The GPU that it shares; whole GPUs are the first ones that are free.

        Returns:
            The GPUs that it has a part of.
        """
        if device is not None:
            devices: tuple[int, ...] = (device,)
        else:
            devices = tuple(place for place, left in enumerate(self.left) if left == GPU_MILLIS)[: demand.gpus]
        self._change(demand, devices, 1)
        return devices

    def place_instance(self, demand: Demand, place: Place) -> None:
        """Give a pod what it asks for, and an instance that it was chosen."""
        assert self.cut is not None
        self.cut.take(place)
        self._change(demand, (place.gpu,), 1)

    def remove(self, demand: Demand, devices: Sequence[int], start: int | None = None) -> None:
        """Take back what a pod was given: which GPUs it had a part of, and where its instance began if it had one."""
        if self.cut is not None and start is not None:
            self.cut.give_back(Place(devices[0], Instance(start, demand.profile)))
        self._change(demand, devices, -1)

    def _change(self, demand: Demand, devices: Sequence[int], times: int) -> None:
        self.cpu_left -= times * demand.cpu_millis
        self.memory_left -= times * demand.memory_mib
        if not devices:
            return
        for place in devices:
            self.left[place] -= times * demand.gpu_millis
        if self.cut is None:
            self.state = GpuState(self.state.model, tuple(sorted(self.left)))
        else:
            self.state = GpuState(self.state.model, tuple(self.left), self.cut.profiles)
        kind = class_of(demand)
        self.hosted[kind] += times
        if not self.hosted[kind]:
            del self.hosted[kind]


def class_of(demand: Demand) -> int:
    """Return the class of a demand with GPUs: 0 where it shares one, else how many it takes."""
    return 0 if demand.shares else demand.gpus
