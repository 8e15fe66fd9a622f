"""Whether a namespace's Pod Security Standard lets a step's pods be made.

Source: https://kubernetes.io/docs/concepts/security/pod-security-admission/
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.insight.findings import Layer
from fairlead.insight.planning.asked import Asked
from fairlead.insight.planning.documents import Reason, reason
from fairlead.insight.planning.facts import Facts, unread
from fairlead.snapshots.parts import Evidence
from fairlead.snapshots.snapshot import Unread
from fairlead.targets.restricted import pod_faults

_LABEL = "pod-security.kubernetes.io/enforce"


def check(asked: Asked, facts: Facts) -> Iterator[Reason | Unread]:
    """Yield what of a step's pods the namespace forbids; what is ``restricted`` passes every level."""
    yield from unread(["Namespace"], facts, "which Pod Security Standard the namespace enforces")
    namespace = facts.snapshot.find("Namespace", facts.namespace)
    level = str(namespace.mapping("metadata.labels").get(_LABEL, "")) if namespace is not None else ""
    if namespace is None or level != "restricted":
        return
    for pods in asked.sets:
        faults = list(pod_faults(pods.spec, pods.spec, "spec"))
        if faults:
            listed = "; ".join(map(str, faults))
            yield reason(
                "pod-security", Layer.POLICY, "never",
                f"the namespace demands the Pod Security Standard {level}: {listed}",
                Evidence(str(namespace.ref), f'metadata.labels["{_LABEL}"]', level),
                *(Evidence(str(pods.pod.ref), each.path, each.message) for each in faults),
                remedy="drop the overlay that breaks it",
                source="https://kubernetes.io/docs/concepts/security/pod-security-standards/",
            )  # fmt: skip
