"""Pods for which no node has room, by what autoscalers say: whether one is added, and why none is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from fairlead.insight.findings import Finder, Found, Layer, Rule
from fairlead.insight.rules.placing import Unplaced, unplaced
from fairlead.snapshots.parts import Part, shortened
from fairlead.snapshots.snapshot import Snapshot, Thing, message_of, moment, time_of

_REASONS = ("NotTriggerScaleUp", "FailedScaleUp", "FailedScheduling", "Nominated", "InsufficientCapacityError")
_OUT_OF_STOCK = r"out of (resources|capacity|stock)|insufficient ?capacity|stockout"
_AT_LIMIT = re.compile(
    r"max node group size reached|max cluster (cpu|memory|\S+) limit reached|max (total )?nodes.*reached|"
    r"in backoff after failed scale-up|exceeds? limits? for (node)?pool|limits exceeded|"
    rf"all available instance types exceed|{_OUT_OF_STOCK}|quota.?exceeded",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(
    r"no instance type (satisfied|which|has|met)|wouldn't fit if a new node is added|"
    r"didn't trigger scale-up: .*\d+ Insufficient ",
    re.IGNORECASE,
)
_NEW = timedelta(minutes=15)
"""For so long a node that was asked for may be on its way."""


def _full(pod: Thing, snapshot: Snapshot) -> Unplaced | None:
    """Return what the scheduler says of a pod, where the nodes that are nearest to a fit have no room."""
    found = unplaced(pod, snapshot)
    return found if found and found.refusals and found.refusals[0].filter in ("resources", "pods") else None


def _of_machine(pod: Thing, snapshot: Snapshot) -> Iterator[Part]:
    """Yield what was said of the machine that Karpenter ordered for a pod."""
    for each in snapshot.events_of(pod):
        named = re.search(r"nodeclaim/(\S+)", message_of(each)) if each.text("reason") == "Nominated" else None
        claim = snapshot.find("NodeClaim", named[1]) if named else None
        yield from snapshot.events_of(claim) if claim else ()


def _found(seen: Unplaced, said: Part, message: str, remedy: str) -> Found:
    cited = (*said.cite("message", "note", "reason"), *seen.evidence)
    return Found(cited, message, remedy, seen.since, explains=" ".join(seen.evidence[0][:2]))


def _no_growth(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod for which there is no room, and for which the autoscaler adds no node."""
    seen = _full(pod, snapshot)
    for each in reversed((*snapshot.events_of(pod), *_of_machine(pod, snapshot))) if seen else ():
        said = _AT_LIMIT.search(message_of(each)) if each.text("reason") in _REASONS else None
        if seen and said:
            remedy = (
                "the cloud has none of these machines now: try another zone or type, reserve some, or wait"
                if re.search(_OUT_OF_STOCK, said.group(), re.IGNORECASE)
                else "raise the most nodes of the group or pool, ask the cloud for more quota, or choose other machines"
            )
            yield _found(seen, each, f"there is no room for it, and no node is added: {said.group()}", remedy)
            return


def _no_machine(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod that no machine which the autoscaler may add has room for."""
    seen = _full(pod, snapshot)
    for each in reversed(snapshot.events_of(pod)) if seen else ():
        if seen and _TOO_LARGE.search(message_of(each)):
            message = f"no machine that the autoscaler may add has room for it: {shortened(message_of(each))}"
            yield _found(seen, each, message, "ask for less in one pod, or let the node pool have larger machines")
            return


def _growing(pod: Thing, snapshot: Snapshot) -> Iterator[Found]:
    """Yield a pod for which the autoscaler has begun to add a node, not long ago."""
    seen, now = _full(pod, snapshot), moment(snapshot.meta.taken)
    asked = [each for each in snapshot.events_of(pod) if each.text("reason") in ("TriggeredScaleUp", "Nominated")]
    begun = moment(time_of(asked[-1])) if asked else None
    if seen and begun and now and now - begun < _NEW:
        message = f"there is no room for it, and a node is being added: {shortened(message_of(asked[-1]))}"
        yield _found(seen, asked[-1], message, "wait some minutes: kubectl get nodes shows when it has come")


def _rule(id: str, find: Finder, sure: float = 1.0) -> Rule:
    source = "https://kubernetes.io/docs/concepts/cluster-administration/node-autoscaling/"
    return Rule(id, Layer.PLACEMENT, ("Pod",), frozenset({"unplaced"}), find, source, sure)


RULES = (
    _rule("autoscaler-at-limit", _no_growth),
    _rule("no-machine-fits", _no_machine, 0.9),
    _rule("node-being-added", _growing, 0.9),
)
