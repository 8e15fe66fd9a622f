"""What an API server said against an object that it was asked to check only: by the rules that know such words."""

from __future__ import annotations

from typing import Literal

from fairlead.insight.findings import Layer
from fairlead.insight.planning.documents import Reason, reason
from fairlead.insight.rules import creating
from fairlead.snapshots.parts import Evidence, Ref, shortened
from fairlead.snapshots.snapshot import Meta, Snapshot, Thing

_PASSING = ("quota-of-namespace", "webhook-unreachable")
"""What may be otherwise in an hour."""
_IMAGE_VOLUMES = "https://kubernetes.io/docs/tasks/configure-pod-container/image-volumes/"
# It has the field then, and drops what is in it without a word.
DROPPED = "the API server takes no image volumes: its feature gate ImageVolume is off"
_DRY_RUNS = "https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run"


def image_volumes_dropped(context: str) -> Reason:
    """Return the reason that an API server leaves out the volumes that are images."""
    return reason(
        "image-volumes-dropped", Layer.STRUCTURE, "never", DROPPED,
        remedy=f"fairlead context add {context} … --delivery copy", source=_IMAGE_VOLUMES,
    )  # fmt: skip


def refused(kind: str, namespace: str, message: str) -> Reason:
    """Return the reason that an API server gave.

    Args:
        kind: The kind of the object.
        namespace: Where it was to be.
        message: What the server said.
    """
    value = {"kind": kind, "metadata": {"name": "it", "namespace": namespace}, "status": {"message": message}}
    thing = Thing(Ref(kind, namespace, "it"), "", value)
    empty = Snapshot(Meta(), ())
    evidence = Evidence(f"dry run of {kind}", "message", shortened(message))
    for rule in creating.RULES:
        for found in rule.find(thing, empty):
            verdict: Literal["never", "not-now"] = "not-now" if rule.id in _PASSING else "never"
            return reason(
                rule.id, rule.layer, verdict, found.message, evidence, remedy=found.remedy, source=rule.source
            )
    return reason(
        "refused", Layer.POLICY, "never", f"the cluster refuses its {kind}: {shortened(message)}", evidence,
        remedy="correct what it names", source=_DRY_RUNS,
    )  # fmt: skip
