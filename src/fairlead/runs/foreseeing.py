"""Refusing a run that can never run where it is to go, before anything of it is created: what a plan says is never.

It takes a moment, and what can't be looked at in that is let pass. Whether nodes are added as they are asked for is not
always to be seen: where it isn't, or where somebody has said what is to become of steps that can't be scheduled, a run
is not refused for want of nodes or of quota.
"""

from __future__ import annotations

from collections.abc import Callable

from fairlead.errors import ClusterError, WouldNotRun
from fairlead.insight.planning.asked import asked
from fairlead.insight.planning.documents import Reason
from fairlead.insight.planning.facts import Facts
from fairlead.insight.planning.plans import judge
from fairlead.kube.client import Client
from fairlead.runs.rendering import submission_of
from fairlead.runs.surveying import survey, wanted_by
from fairlead.specs.contexts import Context
from fairlead.specs.graphs import Graph

WITHIN_S = 5.0
"""A submission waits so long for what is known of its cluster."""
_NOTED = 3
_PASSING = ("placement", "quota")
"""Layers of what whoever runs a cluster may be about to change."""


def foresee(
    graph: Graph,
    client: Client,
    namespace: str,
    context: Context,
    *,
    targets: dict[str, str],
    noted: Callable[[str], object],
    within_s: float = WITHIN_S,
) -> None:
    """Refuse a graph that can never run in a context, and say what of it would not run now.

    Args:
        graph: What is to run.
        client: The cluster.
        namespace: Where.
        context: The context, with what the run says in its place.
        targets: What runs its steps with ranks.
        noted: Is told what would not run now.
        within_s: For how many seconds the cluster is asked at most.

    Raises:
        WouldNotRun: A step of it can never run there, as the cluster is.
    """
    steps = asked(graph, submission_of(graph, context, {}, targets, namespace))
    try:
        facts = survey(client.hurried(), namespace, wanted_by(steps), within_s=within_s)
    except ClusterError as error:
        noted(f"whether it would run was not looked at: {error.what}")
        return
    found = [(each.asked.step, reason) for each in judge(steps, facts) for reason in each.reasons]
    never = [(step, each) for step, each in found if each.verdict == "never" and _is_certain(each, facts, context)]
    if never:
        raise _refusal(graph, context, never)
    waits = dict.fromkeys(
        f"{_who(step)} will wait: {each.message}" for step, each in found if each.verdict != "warning"
    )
    for each in list(waits)[:_NOTED]:
        noted(each)
    if len(waits) > _NOTED:
        noted(f"and {len(waits) - _NOTED} more: fairlead plan FILE --on {context.name}")


def _who(step: str) -> str:
    return f"step {step}" if step else "what Fairlead needs itself"


def _is_certain(reason: Reason, facts: Facts, context: Context) -> bool:
    """Say whether a run is to be refused for a reason, and not let wait."""
    if reason.layer in _PASSING and context.unschedulable:
        return False
    return reason.layer != "placement" or (facts.is_fixed and bool(facts.all("Node")))


def _refusal(graph: Graph, context: Context, never: list[tuple[str, Reason]]) -> WouldNotRun:
    step, first = never[0]
    others = len({(each.id, each.message) for _, each in never}) - 1
    more = f"; and {others} more: fairlead plan FILE --on {context.name}" if others else ""
    fits = f"; it would fit with {first.fits}" if first.fits else ""
    wait = "; to let it wait all the same: --unschedulable warn" if first.layer in _PASSING else ""
    return WouldNotRun(
        f"flow {graph.flow!r} can never run in the context {context.name!r}",
        where=_who(step),
        why=f"{first.message} [{first.id}]{fits}{more}",
        next=f"{first.remedy}{wait}",
    )
