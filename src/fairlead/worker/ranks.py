"""The places of ranks in their gang, wherever their processes are."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.specs.runtimes import ClusterRuntime, RankRuntime, kind_of
from fairlead.worker.tasks import Rank


def ranks_on(
    runtime: RankRuntime, nodes: Iterable[int], master_address: str, master_port: int, workers: tuple[str, ...]
) -> list[Rank]:
    """Return the ranks on some nodes of a gang, in order.

    Args:
        runtime: How many there are in all.
        nodes: The numbers of the nodes.
        master_address: Where rank 0 is.
        master_port: The port on which they meet there.
        workers: For TensorFlow: the address of each rank's own server, by rank.
    """
    each = runtime.processes_per_node
    return [
        Rank(
            rank=node * each + local,
            world_size=runtime.world_size,
            local_rank=local,
            local_world_size=each,
            node_rank=node,
            nodes=runtime.nodes,
            master_address=master_address,
            master_port=master_port,
            kind=kind_of(runtime),
            workers=workers,
        )
        for node in nodes
        for local in range(each)
    ]


def the_one(runtime: ClusterRuntime) -> Rank:
    """Return the place of the one process that runs a step for which a cluster works."""
    return Rank(
        rank=0,
        world_size=1,
        local_rank=0,
        local_world_size=1,
        node_rank=0,
        nodes=1,
        master_address="",
        master_port=0,
        kind=kind_of(runtime),
    )
