"""Containers that ended badly, and said nothing that is known, or are not ready: by their exit codes and probes."""

from __future__ import annotations

from fairlead.insight.findings import Layer
from fairlead.insight.signs import ended, event, rule
from fairlead.snapshots.snapshot import MAINS

_DOCS = "https://kubernetes.io/docs"
_PROBES = f"{_DOCS}/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/"

RULES = (
    rule(
        "segmentation-fault",
        Layer.CODE,
        ended("", codes=(139, 134, 132, 136), lists=(MAINS,)),
        message="the process of container {container} crashed in native code (exit code {code})",
        remedy="set PYTHONFAULTHANDLER=1 to see where; often two libraries that do not go together",
        source="https://docs.python.org/3/library/faulthandler.html",
    ),
    rule(
        "killed",
        Layer.RUN,
        ended("", codes=(137, 143), lists=(MAINS,)),
        message="container {container} was ended from outside (exit code {code}), and nothing says by whom",
        remedy="look for a child that ran out of memory (dmesg of the node), a deadline, or who deleted the pod",
        source=f"{_DOCS}/concepts/workloads/pods/pod-lifecycle/#pod-termination",
        confidence=0.4,
        is_consequence=True,
    ),
    rule(
        "exit-code",
        Layer.CODE,
        ended(lists=(MAINS,)),
        message="container {container} ended with exit code {code}: {said}",
        remedy="kubectl logs {name} -c {container} -n {namespace}",
        source=f"{_DOCS}/tasks/debug/debug-application/debug-running-pod/",
        confidence=0.6,
    ),
    rule(
        "readiness-probe-failed",
        Layer.START,
        event("Unhealthy", r"Readiness probe"),
        message="container {container} does not become ready: {said}",
        remedy="see why it does not answer, or correct the probe: its port, path, timeoutSeconds",
        source=_PROBES,
        confidence=0.8,
    ),
)
