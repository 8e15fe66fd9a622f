"""A ``Job`` of one short pod that opens the store, as the pods of runs will.

Where those have the worker by mounting its image, so has it: a cluster without image volumes drops the volume, and a
runtime that lets nothing in one be executed can't load the worker's libraries.
"""

from __future__ import annotations

from fairlead.specs.contexts import Context
from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest

_DEADLINE_S = 120
_KEPT_S = 600


def store_probe(context: Context, namespace: str, mark: str) -> Manifest:
    """Compile it.

    Args:
        context: Where runs go.
        namespace: The namespace, known by now.
        mark: What tells it from others.
    """
    made = pods.mounting_pod if context.delivery == "volume" else pods.own_pod
    labels = {**context.labels, "app.kubernetes.io/managed-by": "fairlead"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": naming.dns_label(f"fairlead-check-{mark}"),
            "namespace": namespace,
            "labels": {**labels, **({pods.QUEUE: context.queue} if context.queue else {})},
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": _DEADLINE_S,
            "ttlSecondsAfterFinished": _KEPT_S,
            "template": {
                "metadata": {"labels": labels},
                "spec": made(context, "fairlead.worker.pods.probe", f"--store={context.store}"),
            },
        },
    }
