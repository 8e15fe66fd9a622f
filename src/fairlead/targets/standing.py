"""Where a step that sends work into a standing cluster finds it: the Service that its operator makes for it.

Sources: https://docs.ray.io/en/latest/cluster/running-applications/job-submission/ray-client.html,
https://kubernetes.dask.org/en/latest/operator_resources.html#daskcluster
"""

from __future__ import annotations

from fairlead.specs.runtimes import Standing
from fairlead.specs.steps import Step

_CLIENT_OF_RAY, _SCHEDULER_OF_DASK = 10001, 8786


def variables(step: Step) -> list[dict[str, str]]:
    """Return the variable by which a step's framework finds the cluster that stands; none where it has no such one."""
    runtime = step.runtime
    return [{"name": runtime.variable, "value": _address(runtime)}] if isinstance(runtime, Standing) else []


def _address(runtime: Standing) -> str:
    namespace, _, name = runtime.cluster.rpartition("/")
    within = f".{namespace}" if namespace else ""
    if runtime.framework == "ray":
        return f"ray://{name}-head-svc{within}:{_CLIENT_OF_RAY}"
    return f"tcp://{name}-scheduler{within}:{_SCHEDULER_OF_DASK}"
