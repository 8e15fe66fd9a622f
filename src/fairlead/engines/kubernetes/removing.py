"""Removing what a run has left in a cluster: the objects that it became, and with them all that they own.

Pods belong to one of them, and the jobs and Services of drivers and gangs to the pod that made them: the cluster
removes them when their owner goes.
"""

from __future__ import annotations

from contextlib import suppress

from fairlead.kube.client import Client
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import Kind
from fairlead.targets import naming
from fairlead.targets.flows import FlowTarget


def remove_objects(client: Client, run: str, namespace: str, target: FlowTarget) -> int:
    """Remove what a run became by one target, of every submission.

    Returns:
        How many there were; none where they are gone already, or the cluster does not serve their kind any more.

    Raises:
        ClusterError: The cluster can't be reached, or refuses.
    """
    removed, kind = 0, Kind(*target.resource)
    with suppress(NotFound):
        for found in client.list(kind, namespace=namespace, labels={naming.RUN: run}, metadata_only=True).items:
            with suppress(NotFound):
                client.delete(kind, found["metadata"]["name"], namespace=namespace, uid=found["metadata"]["uid"])
                removed += 1
    return removed
