"""Telling whether an error of Ray's is that of a cluster that has lost a node: no step is to blame for it.

Source: https://docs.ray.io/en/latest/ray-core/fault_tolerance/nodes.html
"""

from __future__ import annotations

import sys
import time

_NOTICED_S = 5.0
"""How long Ray may take to notice that a node has gone whose processes have."""
_LOOK_S = 0.2
_IDLE = 4
"""The reason of a node that Ray's autoscaler took away, as nothing ran on it: AUTOSCALER_DRAIN_IDLE of its protocol."""


def is_of_a_lost_node(error: BaseException | None) -> bool:
    """Say whether a process of Ray's died, or what it held is gone, and a node of its cluster with it."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return False
    known = ray.exceptions
    if not isinstance(
        error, (known.RayActorError, known.WorkerCrashedError, known.NodeDiedError, known.ObjectLostError)
    ):
        return False
    until = time.monotonic() + _NOTICED_S
    while not _is_a_node_lost(ray):
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_S)
    return True


def _is_a_node_lost(ray: object) -> bool:
    try:
        nodes = ray.nodes()  # type: ignore[attr-defined]  # Ray is there at run time only
    except Exception:  # whatever Ray says of it: its head is gone, where the nodes are known
        return True
    return any(not each["Alive"] and each.get("DeathReason") != _IDLE for each in nodes)
