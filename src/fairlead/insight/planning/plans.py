"""Whether what is asked of a cluster would run there: every check of every step, those that are alike once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from fairlead.insight.findings import Layer
from fairlead.insight.planning import limits, placing, quotas, references, security
from fairlead.insight.planning.asked import Asked
from fairlead.insight.planning.devices import Devices
from fairlead.insight.planning.documents import Plan, Reason, StepPlan, Verdict
from fairlead.insight.planning.facts import Facts
from fairlead.insight.planning.history import Took, spread
from fairlead.insight.planning.nodes import Nodes
from fairlead.insight.planning.prices import PriceBook, cost_of, total
from fairlead.insight.planning.priorities import PREEMPTS, how
from fairlead.insight.planning.queues import Queues
from fairlead.insight.planning.terms import label_keys
from fairlead.insight.why import Evidence
from fairlead.snapshots.snapshot import Unread

_WORST: tuple[Verdict, ...] = ("never", "not-now", "unknown", "now")
_LAYERS = {each.name.lower(): each for each in Layer}


class Judged(NamedTuple):
    """A step, what is against it, and what of that could not be read."""

    asked: Asked
    reasons: tuple[Reason, ...]
    unread: tuple[Unread, ...]


def judge(asked: Iterable[Asked], facts: Facts) -> list[Judged]:
    """Say of each step what is against it on a cluster, and what could not be read of that.

    Args:
        asked: The steps.
        facts: The cluster.
    """
    devices = Devices(facts)
    listed = [devices.counted(limits.defaulted(each, facts)) for each in asked]
    shapes = {each.shape: each for each in listed}.values()
    of_each_shape = [pods for each in shapes for pods in each.sets]
    nodes = Nodes(facts, of_each_shape)
    devices.fill(nodes.nodes, shapes)
    queues = Queues(facts)
    shy = [each.pod for node in nodes.nodes for each in node.shy]
    keys = label_keys([*shy, *(each.pod for each in of_each_shape)])
    known: dict[object, Judged] = {}
    found = []
    for each in listed:
        alike = each.shape, *(pods.pod.mapping("metadata.labels").get(key) for pods in each.sets for key in keys)
        if alike not in known:
            known[alike] = _checked(each, facts, nodes, queues, devices)
        found.append(_as(each, known[alike]))
    return found


def _as(asked: Asked, found: Judged) -> Judged:
    """Return what was found of a step as it is of another one that is alike: its own pods are cited."""
    if asked.step == found.asked.step:
        return found._replace(asked=asked)
    own = {str(theirs.pod.ref): str(mine.pod.ref) for theirs, mine in zip(found.asked.sets, asked.sets, strict=True)}

    def cited(each: Evidence) -> Evidence:
        return msgspec.structs.replace(each, subject=own.get(each.subject, each.subject))

    reasons = (msgspec.structs.replace(each, evidence=tuple(map(cited, each.evidence))) for each in found.reasons)
    return Judged(asked, tuple(reasons), found.unread)


def _checked(asked: Asked, facts: Facts, nodes: Nodes, queues: Queues, devices: Devices) -> Judged:
    said: list[Reason | Unread] = [
        *references.check(asked, facts),
        *security.check(asked, facts),
        *limits.check(asked, facts),
        *quotas.check(asked, facts),
        *queues.check(asked),
        *devices.check(asked),
        *placing.check(asked, facts, nodes, queues.labels(asked), queues.preempted(asked)),
    ]
    reasons = dict.fromkeys(each for each in said if isinstance(each, Reason))
    unread = dict.fromkeys(each for each in said if isinstance(each, Unread))
    return Judged(asked, tuple(sorted(reasons, key=order)), tuple(unread))


def order(reason: Reason) -> tuple[int, int]:
    """Return the place of a reason: what is never comes first, and then the earlier layer."""
    return ("never", "not-now", "warning").index(reason.verdict), _LAYERS[reason.layer]


def verdict_of(reasons: Iterable[Reason], unread: Iterable[Unread]) -> Verdict:
    """Return what reasons make of a step."""
    verdicts = {each.verdict for each in reasons}
    if "never" in verdicts:
        return "never"
    if "not-now" in verdicts:
        return "not-now"
    return "unknown" if any(True for _ in unread) else "now"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of some verdicts."""
    found = set(verdicts)
    return next((each for each in _WORST if each in found), "now")


def plan(
    asked: Sequence[Asked],
    facts: Facts,
    *,
    flow: str,
    context: str,
    reasons: Sequence[Reason] = (),
    refused: Mapping[str, Sequence[Reason]] | None = None,
    unread: Sequence[Unread] = (),
    took: Iterable[Took] = (),
    book: PriceBook | None = None,
) -> Plan:
    """Say whether a flow would run, and what it would take.

    Args:
        asked: What it asks of the cluster.
        facts: The cluster.
        flow: The flow's name.
        context: The context's name.
        reasons: What is against the run as a whole.
        refused: What the cluster itself said against steps, by their names.
        unread: What could not be read of that.
        took: Earlier attempts that succeeded.
        book: What things cost.
    """
    times = _by_name(took)
    queues = Queues(facts)
    steps, lacking = [], dict.fromkeys(unread)
    for each, own, gaps in judge(asked, facts):
        known = {reason.id for reason in own}
        more = [reason for reason in (refused or {}).get(each.step, ()) if reason.id not in known]
        lacking |= dict.fromkeys(gaps)
        steps.append(_step(each, sorted([*own, *more], key=order), gaps, times, book, queues))
    verdict = worst([*(each.verdict for each in steps), verdict_of(reasons, ())])
    return Plan(
        flow=flow,
        context=context,
        namespace=facts.namespace,
        taken=facts.snapshot.meta.taken,
        verdict=verdict,
        pods=sum(each.pods * each.instances for each in steps),
        steps=tuple(steps),
        reasons=tuple(sorted(reasons, key=order)),
        cost=total(each.cost for each in steps if each.step),
        unread=tuple(lacking),
    )


def _step(
    asked: Asked,
    reasons: list[Reason],
    gaps: Sequence[Unread],
    times: Mapping[str, list[Took]],
    book: PriceBook | None,
    queues: Queues,
) -> StepPlan:
    verdict = verdict_of(reasons, gaps)
    runs = [took for name in asked.names for took in times.get(name, ())]
    duration = spread(each.duration_s for each in runs)
    memory = spread(each.memory_bytes for each in runs if each.memory_bytes is not None)
    return StepPlan(
        step=asked.step,
        instances=asked.instances,
        is_counted=asked.is_counted,
        pods=asked.pods,
        verdict=verdict,
        reasons=tuple(reasons),
        start=_start(asked, verdict, reasons, queues),
        duration_s=duration,
        memory_bytes=memory,
        cost=cost_of(asked, duration, book) if asked.step else None,
    )


def _start(asked: Asked, verdict: Verdict, reasons: Iterable[Reason], queues: Queues) -> str:
    ahead = queues.ahead(asked) if asked.queued else 0
    match verdict:
        case "now":
            hows = dict.fromkeys(how(each) for each in reasons if each.id == PREEMPTS)
            return ", ".join(["now", *hows, *([f"after {ahead} that wait in its queue"] if ahead else [])])
        case "not-now":
            waits = f", and {ahead} wait in its queue" if ahead else ""
            return f"once others have ended{waits}"
        case "never":
            return "never"
    return "unknown"


def _by_name(took: Iterable[Took]) -> dict[str, list[Took]]:
    found: dict[str, list[Took]] = {}
    for each in took:
        found.setdefault(each.name, []).append(each)
    return found
