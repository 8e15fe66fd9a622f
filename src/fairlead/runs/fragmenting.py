"""Which GPUs of a cluster are free, and why the typical workload can't use them: by the cluster, or by a bundle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from fairlead.errors import ClusterError
from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.kube.resources import NODE
from fairlead.planner.nodes import GPU_MILLIS
from fairlead.planner.standing import Pool, Standing
from fairlead.planner.stranding import Ask, asks_of, stranded, summed, whole
from fairlead.planner.typical import without_memory
from fairlead.planner.waiting import waiting
from fairlead.planner.workloads import Demand
from fairlead.runs import contexts
from fairlead.runs.importing import bundle_with_nodes, imported
from fairlead.runs.surveying import survey_placed
from fairlead.snapshots.snapshot import Snapshot
from fairlead.specs.capacity import (
    FragmentationReport,
    NodeFragmentation,
    NotRead,
    PendingPods,
    Stranded,
    TypicalDemand,
)


def fragmentation_of_bundle(file: str) -> FragmentationReport:
    """Say it by a bundle.

    Raises:
        UsageError: It can't be read, or has no nodes.
    """
    return fragmentation(bundle_with_nodes(Path(file)), file)


def fragmentation_of_context(name: str) -> FragmentationReport:
    """Say it by the cluster of a context, as it is now.

    Raises:
        UsageError: There is no such context.
        ClusterError: The cluster can't be reached, or its nodes may not be listed.
    """
    context = contexts.find(name)
    connection = connect(context.kube_context, kubeconfig=context.kubeconfig)
    return fragmentation_of_cluster(Client(connection), context.namespace or connection.namespace, name)


def fragmentation_of_cluster(client: Client, namespace: str, name: str) -> FragmentationReport:
    """Say it by a cluster, as it is now.

    Args:
        client: The cluster.
        namespace: Whose pods are read where those of all may not be.
        name: What it is called.

    Raises:
        ClusterError: It can't be reached, or its nodes may not be listed.
    """
    snapshot = survey_placed(client, namespace)
    if any(each.what == NODE.plural for each in snapshot.meta.unread):
        raise ClusterError(
            f"can't say which GPUs of {name} are free",
            why="you may not list its nodes",
            next="have somebody who may take a bundle: fairlead snapshot -o FILE",
        )
    return fragmentation(snapshot, name)


def fragmentation(snapshot: Snapshot, subject: str) -> FragmentationReport:
    """Say which GPUs are free, how much of them the typical workload can't use, and why."""
    standing = imported(snapshot)
    asks = asks_of(standing)
    pools = [pool for pool in standing.pools if pool.node.gpus]
    parts = [stranded(pool, asks) for pool in pools]
    together = whole(summed(parts))
    total = GPU_MILLIS * sum(pool.node.gpus for pool in pools)
    free = sum(sum(pool.left) for pool in pools)
    lost = sum(together.values())
    nodes = [_node(pool, whole(each)) for pool, each in zip(pools, parts, strict=True)]
    nodes.sort(key=lambda each: (-each.stranded_gpu_millis, -each.free_gpu_millis, each.node, each.model))
    pending = waiting(standing)
    return FragmentationReport(
        subject=subject,
        gpu_millis=total,
        free_gpu_millis=free,
        stranded_gpu_millis=lost,
        gpu_allocation_percent=_percent(total - free, total),
        fragmentation_percent=_percent(lost, free),
        causes=tuple(Stranded(cause=cause, gpu_millis=each) for cause, each in together.items()),
        typical=_typical(asks),
        nodes=tuple(nodes),
        pending=PendingPods(**pending._asdict()) if pending.pods else None,
        not_read=_not_read(standing, snapshot),
    )


def _percent(part: int, of: int) -> float | None:
    return round(100 * part / of, 2) if of else None


def _node(pool: Pool, causes: Mapping[str, int]) -> NodeFragmentation:
    return NodeFragmentation(
        node=pool.host,
        model=pool.node.model,
        gpu_millis=GPU_MILLIS * pool.node.gpus,
        free_gpu_millis=sum(pool.left),
        stranded_gpu_millis=sum(causes.values()),
        causes=tuple(Stranded(cause=cause, gpu_millis=each) for cause, each in causes.items() if each),
    )


def _typical(asks: tuple[Ask, ...]) -> tuple[TypicalDemand, ...]:
    shares: defaultdict[Demand, float] = defaultdict(float)
    for ask in asks:
        shares[without_memory(ask.demand)] += ask.share
    return tuple(
        TypicalDemand(
            share=round(shares[each], 6),
            cpu_millis=each.cpu_millis,
            gpus=each.gpus,
            gpu_millis=each.gpu_millis,
            models=each.models,
        )
        for each in sorted(shares, key=lambda each: (-shares[each], each))
    )


def _not_read(standing: Standing, snapshot: Snapshot) -> tuple[NotRead, ...]:
    found = [NotRead(what=each.what, why=each.why) for each in snapshot.meta.unread]
    if len({each.ref.namespace for each in snapshot.of_kind("Pod")}) == 1:
        why = "there are pods of one namespace alone: those of others may have taken what counts as free"
        found.append(NotRead(what="pods of other namespaces", why=why))
    return (*found, *(NotRead(what=each.path, why=each.message) for each in standing.notes))
