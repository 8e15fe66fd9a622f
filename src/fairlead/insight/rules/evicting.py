"""Evictions that are refused, as drains of nodes ask for them: no pod says so, and the budget that refuses counts pods.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.insight.findings import Layer
from fairlead.insight.nodes import has_ended
from fairlead.insight.seeing import Seen, Sign
from fairlead.insight.signs import rule
from fairlead.snapshots.snapshot import Snapshot, Thing, begun_of, message_of
from fairlead.targets.fitting import selects

_SAID = re.compile(r"pdb|disruption ?budget", re.IGNORECASE)
"""What Karpenter says of a node that it may not empty."""


def _refuses(budget: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a budget that lets no pod go."""
    expected, healthy, desired = (
        budget.number(f"status.{each}") or 0 for each in ("expectedPods", "currentHealthy", "desiredHealthy")
    )
    said = budget.condition("DisruptionAllowed")
    is_uncounted = said is not None and said.text("reason") == "SyncFailed"
    if budget.number("status.disruptionsAllowed") != 0 or not (expected or is_uncounted):
        return
    name = f"{budget.ref.name} -n {budget.ref.namespace}"
    if said is not None and is_uncounted:
        why = f"its pods can't be counted: {said.text('message')}"
        then = f"kubectl describe pdb {name}: its pods need a controller, or it minAvailable as a number"
    elif desired >= expected:
        why = f"it wants {desired} of its {expected} pods, so that none may ever go"
        patch = '{"spec":{"minAvailable":null,"maxUnavailable":1}}'
        then = f"kubectl patch pdb {name} --type merge -p '{patch}', or have one more replica"
    else:
        why = f"{healthy} of its {expected} pods are well, and {desired} must be"
        patch = '{"spec":{"unhealthyPodEvictionPolicy":"AlwaysAllow"}}'
        then = f"mend the pods that are not ready, or let those go: kubectl patch pdb {name} --type merge -p '{patch}'"
    fields = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    evidence = budget.cite(*(f"status.{each}" for each in fields), "spec.minAvailable", "spec.maxUnavailable")
    words = {"budget": budget.ref.name, "why": why, "then": then, "pod": "any of its pods"}
    yield Seen(evidence, words, said.text("lastTransitionTime") if said else "")


def _stays(node: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """See a node that is to be emptied, and has pods that a budget does not let go."""
    told = [each for each in snapshot.events_of(node) if _SAID.search(message_of(each))]
    if node.part("spec.unschedulable").value is not True and not told:
        return
    pods = [each for each in snapshot.on(node) if not has_ended(each)]
    for budget in snapshot.of_kind("PodDisruptionBudget"):
        held = [each for each in pods if _is_held(each, budget)]
        for seen in _refuses(budget, snapshot) if held else ():
            shown = (*node.cite("spec.unschedulable"), *seen.evidence, *held[0].cite("spec.nodeName"))
            more = f" and {len(held) - 1} more" if len(held) > 1 else ""
            yield seen._replace(evidence=shown, words=seen.words | {"pod": f"{held[0].ref.name}{more}"},
                                explains=str(budget.ref))  # fmt: skip
            told = []
    for each in told[-1:]:  # the budget is of another namespace
        words = {
            "why": message_of(each),
            "pod": "its pods",
            "then": "kubectl get pdb -A shows which, and what it wants",
        }
        yield Seen(each.cite("message", "note", "reason"), words, begun_of(each))


def _is_held(pod: Thing, budget: Thing) -> bool:
    """Say whether a budget that lets none go is one of a pod: one that is not well may have to stay for others."""
    selector = budget.part("spec.selector")
    if (
        pod.ref.namespace != budget.ref.namespace
        or selector.value is None
        or not selects(selector, pod.mapping("metadata.labels"))
    ):
        return False
    ready = pod.condition("Ready")
    is_free = budget.text("spec.unhealthyPodEvictionPolicy") == "AlwaysAllow" or (
        (budget.number("status.currentHealthy") or 0) >= (budget.number("status.desiredHealthy") or 0)
    )
    return (ready is not None and ready.text("status") == "True") or not is_free


RULES = (
    rule(
        "eviction-refused",
        Layer.POLICY,
        Sign("evicting", _refuses),
        message="it lets no pod be evicted, so that drains wait: {why}",
        remedy="{then}",
        source="https://kubernetes.io/docs/tasks/run-application/configure-pdb/",
        kinds=("PodDisruptionBudget",),
    ),
    rule(
        "eviction-refused",
        Layer.POLICY,
        Sign("evicting", _stays),
        message="it is to be emptied, and the PodDisruptionBudget {budget} does not let {pod} go: {why}",
        remedy="{then}",
        source="https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/",
        kinds=("Node",),
    ),
)
