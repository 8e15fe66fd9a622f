"""Removing what a run has left in a cluster: its workflows, and with them all that they own.

Pods belong to their workflow, and the jobs and Services of drivers and gangs to the pod that made them: the cluster
removes them when their owner goes.
"""

from __future__ import annotations

from contextlib import suppress

from fairlead.kube.client import Client
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import WORKFLOW
from fairlead.targets import naming


def remove_objects(client: Client, run: str, namespace: str) -> int:
    """Remove a run's workflows, of every submission.

    Returns:
        How many there were; none where they are gone already, or the cluster has no workflows any more.

    Raises:
        ClusterError: The cluster can't be reached, or refuses.
    """
    removed = 0
    with suppress(NotFound):
        for found in client.list(WORKFLOW, namespace=namespace, labels={naming.RUN: run}, metadata_only=True).items:
            with suppress(NotFound):
                client.delete(WORKFLOW, found["metadata"]["name"], namespace=namespace, uid=found["metadata"]["uid"])
                removed += 1
    return removed
