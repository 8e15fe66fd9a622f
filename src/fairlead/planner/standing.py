"""A cluster as it stands: its nodes with what they have left, and the pods that are on them or wait.

A node whose devices are of several kinds, whole cards and MIG slices for instance, is a pool for each of them; its
pools share its CPU and memory.
"""

from __future__ import annotations

import msgspec

from fairlead.errors import Fault
from fairlead.planner.nodes import Node
from fairlead.planner.workloads import Pod


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """The devices of one kind of a node, or a node without any.

    Attributes:
        node: The node as it were with these devices alone; where it has several kinds, its name ends with theirs.
        host: The node's own name.
        resource: The extended resource that the devices are; empty where there are none.
        left: What is left of each device, in thousandths.
        cpu_left: CPU that no pod has, in thousandths of a core; below 0 where more is asked for than there is.
        memory_left: Memory that no pod has, in MiB.
        slices: Whether the devices are MIG slices.
    """

    node: Node
    host: str
    resource: str = ""
    left: tuple[int, ...] = ()
    cpu_left: int
    memory_left: int
    slices: bool = False


class Where(msgspec.Struct, frozen=True):
    """Where pods that say the same of their nodes may go.

    Attributes:
        selected: The nodes that their selectors and required affinities choose.
        open: Those of them that take such a pod now: ready, not cordoned, and with no taint that it does not tolerate.
    """

    selected: frozenset[str]
    open: frozenset[str]


class Held(msgspec.Struct, frozen=True):
    """A pod that has not ended.

    Attributes:
        pod: The pod, ``NAMESPACE/NAME``.
        host: The node that it is on; empty where it waits.
        where: The index of where it may go, in `Standing.wheres`; None for a pod without GPUs, which is not looked at.
    """

    pod: Pod
    host: str = ""
    where: int | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster as it stands.

    Attributes:
        pools: The nodes.
        pods: The pods.
        wheres: Where pods with GPUs may go.
        notes: What could not be read, or is counted otherwise than it is, by the object.
    """

    pools: tuple[Pool, ...]
    pods: tuple[Held, ...]
    wheres: tuple[Where, ...] = ()
    notes: tuple[Fault, ...] = ()

    def accepts(self, held: Held, pool: Pool) -> bool:
        """Say whether a pod asks for such devices, and for such a node, whatever is left of them."""
        demand = held.pod.demand
        chosen = held.where is None or pool.host in self.wheres[held.where].selected
        return chosen and (not demand.models or pool.node.model in demand.models)
