"""What a container asks for: requests and limits, which are the same where a step declares them.

Source: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
"""

from __future__ import annotations

from typing import Any

from fairlead.quantities import parse_bytes
from fairlead.specs.accelerators import AcceleratorRequest
from fairlead.specs.runtimes import RankRuntime
from fairlead.specs.steps import Step

_DEFAULT_REQUESTS = {"cpu": "250m", "memory": "256Mi"}
_DEFAULT_LIMITS = {"cpu": "1", "memory": "2Gi"}
"""Of steps that declare nothing: every container has requests and limits, as quotas demand."""
SMALL = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}
"""Of Fairlead's own containers."""

_ONE_HOST_OF_EIGHT = "2x4"
"""The TPU topology that one machine has too: GKE's machines of eight chips."""


def resources(step: Step) -> dict[str, Any]:
    """Return the requests and limits of a step's container, per node."""
    declared = step.resources
    requests, limits = dict(_DEFAULT_REQUESTS), dict(_DEFAULT_LIMITS)
    if declared.cpu:
        requests["cpu"] = limits["cpu"] = f"{declared.cpu_millis}m"
    if declared.memory_bytes:
        requests["memory"] = limits["memory"] = str(declared.memory_bytes)
    if declared.disk:
        requests["ephemeral-storage"] = limits["ephemeral-storage"] = str(parse_bytes(declared.disk))
    if declared.accelerator is not None:
        name = resource_name(declared.accelerator)
        requests[name] = limits[name] = str(devices_per_node(step) or declared.accelerator.count)
    return {"requests": requests, "limits": limits}


def resource_name(accelerator: AcceleratorRequest) -> str:
    """Return the extended resource: ``nvidia.com/gpu``, ``nvidia.com/mig-1g.5gb.me``.

    Source: https://github.com/NVIDIA/k8s-device-plugin, which writes the ``+`` of a profile as ``.``
    """
    profile = accelerator.mig_profile
    return f"nvidia.com/mig-{profile.name.replace('+', '.')}" if profile else accelerator.model.resource


def devices_per_node(step: Step) -> int | None:
    """Return how many devices each node of a step has; None for a slice that its nodes can't share out."""
    accelerator = step.resources.accelerator
    if accelerator is None:
        return 0
    per_host = accelerator.model.chips_per_host
    if accelerator.topology is None or per_host is None:
        return accelerator.count
    nodes = step.runtime.nodes if isinstance(step.runtime, RankRuntime) else 1
    if nodes == 1 and (accelerator.count <= per_host or accelerator.topology == _ONE_HOST_OF_EIGHT):
        return accelerator.count
    return per_host if nodes * per_host == accelerator.count else None
