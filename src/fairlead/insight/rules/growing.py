"""Pods that have no node, and for which room is made, or is not: by autoscalers, and by those that are preempted.

Source: https://kubernetes.io/docs/concepts/cluster-administration/node-autoscaling/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from fairlead.insight.findings import Found, Layer
from fairlead.insight.rules.placing import Unplaced, lacking, nearest, unplaced, unplaced_rule
from fairlead.snapshots.parts import Part, Ref
from fairlead.snapshots.snapshot import Snapshot, Thing, begun_of, message_of, moment, time_of

_OUT_OF_STOCK = r"out of (resources|capacity|stock)|insufficient ?capacity|stockout"
_AT_LIMIT = re.compile(
    r"max node group size reached|max cluster (cpu|memory|\S+) limit reached|max (total )?nodes.*reached|"
    r"in backoff after failed scale-up|exceeds? limits? for (node)?pool|limits exceeded|"
    rf"all available instance types exceed|{_OUT_OF_STOCK}|quota.?exceeded",
    re.IGNORECASE,
)
_SPOKEN = ("NotTriggerScaleUp", "TriggeredScaleUp", "FailedScaleUp", "Nominated")
_COMES = timedelta(minutes=20)
"""A node that has not come by then is given up by the cluster autoscaler (15 minutes) and by Karpenter."""


def _full(pod: Thing, snapshot: Snapshot) -> Unplaced | None:
    """Return what the scheduler says of a pod for which there is no room."""
    seen = nearest(pod, snapshot, "resources") or nearest(pod, snapshot, "pods")
    return seen[0] if seen else None


def _of_autoscaler(pod: Thing, snapshot: Snapshot) -> Iterator[Part]:
    """Yield what autoscalers say of a pod, the last first."""
    for each in reversed(snapshot.events_of(pod)):
        is_karpenter = "nodepool" in message_of(each) or "instance type" in message_of(each)
        if each.text("reason") in _SPOKEN or (each.text("reason") == "FailedScheduling" and is_karpenter):
            yield each


def _of_machine(pod: Thing, snapshot: Snapshot) -> Iterator[Part]:
    """Yield what was said of the machine that Karpenter ordered for a pod, the last first."""
    for each in _of_autoscaler(pod, snapshot):
        if named := re.search(r"nodeclaim/([\w.-]+)", message_of(each)):
            yield from reversed(snapshot.events_about(Ref("NodeClaim", "", named[1])))
            return


def _found(event: Part, pod: Unplaced, message: str, remedy: str) -> Found:
    evidence = (*event.cite("message", "note", "reason"), *pod.evidence)
    return Found(evidence, message, remedy, pod.since, explains=" ".join(pod.evidence[0][:2]))


def _at_limit(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod for which there is no room, and for which the autoscaler may add no node, or gets none."""
    full = _full(pod, snapshot)
    for each in (*_of_machine(pod, snapshot), *_of_autoscaler(pod, snapshot)) if full else ():
        if full and (said := _AT_LIMIT.search(message_of(each))):
            remedy = (
                "the cloud has none of these machines now: try another zone or type, reserve some, or wait"
                if re.search(_OUT_OF_STOCK, said.group(), re.IGNORECASE)
                else "raise the most nodes of the group or pool, ask the cloud for more quota, or choose other machines"
            )
            yield _found(each, full, f"there is no room for it, and no node is added: {said.group()}", remedy)
            return


def _asked_for(pod: Thing, snapshot: Snapshot, *, late: bool) -> Part | None:
    """Return by what a node was asked for that can take a pod: not long ago, or so long ago."""
    last = next(_of_autoscaler(pod, snapshot), None)
    if last is None:
        return None
    now, asked = snapshot.now, moment(time_of(last))
    is_asked = last.text("reason") == "TriggeredScaleUp" or "should schedule on" in message_of(last)
    is_late = bool(now and asked and now - asked > _COMES)
    return last if is_asked and is_late is late else None


def _coming(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod for which the autoscaler adds a node."""
    full, asked = _full(pod, snapshot), _asked_for(pod, snapshot, late=False)
    if full and asked:
        message = f"a node is being added for it since {begun_of(asked)}: {message_of(asked)}"
        remedy = "wait until it is ready, some minutes: kubectl get nodes; of Karpenter also kubectl get nodeclaims"
        yield _found(asked, full, message, remedy)


def _not_coming(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod that no node can take, and for which the autoscaler asked for one that has not come."""
    found, asked = lacking(pod, snapshot), _asked_for(pod, snapshot, late=True)
    if found and asked:
        message = f"a node was asked for at {time_of(asked)}, and none that takes it has come: {message_of(asked)}"
        remedy = (
            "see whether the cloud made the machine, whether it joined, and whether its device plugin runs: kubectl get"
            " nodes,nodeclaims; kubectl get configmap cluster-autoscaler-status -n kube-system -o yaml"
        )
        yield _found(asked, found[0], message, remedy)


def _of_no_use(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod that asks for more than nodes have, where none that the autoscaler could add would take it."""
    full, last = _full(pod, snapshot), next(_of_autoscaler(pod, snapshot), None)
    if full is None or last is None or last.text("reason") not in ("NotTriggerScaleUp", "FailedScheduling"):
        return
    if lacking(pod, snapshot) or not snapshot.of_kind("Node"):
        yield _found(
            last,
            full,
            f"no node has room for it, and none that the autoscaler could add would take it: {message_of(last)}",
            "have a node group or pool of machines that fit it, tolerate the taint that it names, or ask for less",
        )


def _taking_over(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod that waits until those are gone that were preempted for it."""
    found, node = unplaced(pod, snapshot), pod.text("status.nominatedNodeName")
    if found and node:
        yield Found(
            (*pod.cite("status.nominatedNodeName"), *found.evidence),
            f"others on node {node} were preempted for it, and have their grace period to end",
            f"wait; kubectl get pods -A --field-selector spec.nodeName={node} shows which are Terminating",
            found.since,
            explains=" ".join(found.evidence[0][:2]),
        )


_AUTOSCALING = "cluster-administration/node-autoscaling/"

RULES = (
    unplaced_rule("autoscaler-at-limit", Layer.PLACEMENT, _at_limit, _AUTOSCALING, 1.0),
    unplaced_rule("node-being-added", Layer.PLACEMENT, _coming, _AUTOSCALING, 0.8),
    unplaced_rule("node-not-coming", Layer.PLACEMENT, _not_coming, _AUTOSCALING, 0.8),
    unplaced_rule("autoscaler-fits-none", Layer.PLACEMENT, _of_no_use, _AUTOSCALING, 0.9),
    unplaced_rule(
        "waits-for-preempted", Layer.PLACEMENT, _taking_over, "scheduling-eviction/pod-priority-preemption/", 0.8
    ),
)
