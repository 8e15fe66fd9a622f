"""Every target of whole runs, and which of them a run goes by: the one asked for, or the first that is served."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from fairlead.errors import Fault, nearest
from fairlead.specs.contexts import Context
from fairlead.specs.graphs import Graph
from fairlead.targets import pipeline_run, workflow
from fairlead.targets.flows import FlowTarget

FLOW = "flow"
"""What stands for the kind of a runtime where the targets of a context or a submission name that of the whole run."""

FLOWS = {each.name: each for each in (workflow.TARGET, pipeline_run.TARGET)}
"""All of them by name, in order of preference."""


def flow_target(named: Mapping[str, str]) -> FlowTarget:
    """Return the target of a run, by what its context or its submission names; the first one where that says nothing.

    Raises:
        KeyError: There is none of this name.
    """
    return FLOWS[named.get(FLOW, workflow.TARGET.name)]


def asked_flow_faults(name: str) -> Iterator[Fault]:
    """Yield what is wrong with a target that is asked for."""
    if name not in FLOWS:
        yield Fault(f"targets.{FLOW}", f"there is no target {name!r} of whole runs; {nearest(name, list(FLOWS))}")


def choose_flow(
    graph: Graph, context: Context, is_served: Callable[[FlowTarget], bool]
) -> tuple[FlowTarget, list[Fault]]:
    """Choose the target of a run.

    Args:
        graph: The run's graph.
        context: Where it goes; what it names is taken, and nothing else.
        is_served: Says whether a cluster serves what a target creates; asked only where the context names none.

    Returns:
        The target, and why the graph can't be expressed by it, with paths. Where a cluster serves none, it is the
        first, and creating it says what is lacking.
    """
    wanted = wanted_flows(context, is_served)
    able = [each for each in wanted if not any(each.faults(graph, context))]
    return (able[0], []) if able else (wanted[0], [*flow_faults(wanted[0], graph, context)])


def wanted_flows(context: Context, is_served: Callable[[FlowTarget], bool]) -> list[FlowTarget]:
    """Return what runs in a context can become: what it names, or what its cluster serves, or the first of all."""
    if FLOW in context.targets:
        return [flow_target(context.targets)]
    return [each for each in FLOWS.values() if is_served(each)] or [workflow.TARGET]


def flow_faults(target: FlowTarget, graph: Graph, context: Context) -> Iterator[Fault]:
    """Yield what of a graph a target can't express, each with the targets that can."""
    faults = list(target.faults(graph, context))
    if faults:
        others = [each for each in FLOWS.values() if each is not target and not any(each.faults(graph, context))]
        could = ", ".join(f"{each.name} ({each.component})" for each in others)
        instead = f"these targets can run it: {could}" if could else "no target can run it"
        yield from (Fault(each.path, f"{each.message}; {instead}") for each in faults)
