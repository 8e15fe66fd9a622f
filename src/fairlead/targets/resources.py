"""What a container asks for: requests and limits, which are the same where a step declares them.

Source: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
"""

from __future__ import annotations

from typing import Any

from fairlead.quantities import parse_bytes
from fairlead.specs.contexts import Context
from fairlead.specs.steps import Step
from fairlead.targets.hardware import container_claims, device_resources

_DEFAULT_REQUESTS = {"cpu": "250m", "memory": "256Mi"}
_DEFAULT_LIMITS = {"cpu": "1", "memory": "2Gi"}
"""Of steps that declare nothing: every container has requests and limits, as quotas demand."""
SMALL = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}
"""Of Fairlead's own containers."""


def resources(context: Context, step: Step) -> dict[str, Any]:
    """Return the requests and limits of a step's container, per node, and the devices it claims."""
    declared = step.resources
    requests, limits = dict(_DEFAULT_REQUESTS), dict(_DEFAULT_LIMITS)
    if declared.cpu:
        requests["cpu"] = limits["cpu"] = f"{declared.cpu_millis}m"
    if declared.memory_bytes:
        requests["memory"] = limits["memory"] = str(declared.memory_bytes)
    if declared.disk:
        requests["ephemeral-storage"] = limits["ephemeral-storage"] = str(parse_bytes(declared.disk))
    devices = device_resources(context, step)
    return {"requests": requests | devices, "limits": limits | devices, **container_claims(context, step)}
