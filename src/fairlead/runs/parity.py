"""What of a flow the engines run without, or refuse: looked up before anything runs, and without a cluster."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.engines.differences import differences
from fairlead.engines.local.capacity import lacking, this_machine
from fairlead.errors import Fault, SpecError
from fairlead.runs.rendering import render
from fairlead.specs.contexts import LOCAL
from fairlead.specs.graphs import Graph
from fairlead.specs.reports import ParityLine, ParityReport
from fairlead.targets.refusals import step_refusals


def parity(graph: Graph, on: str) -> ParityReport:
    """Return what of a flow is not honoured by this machine, and by a cluster.

    Args:
        graph: The flow.
        on: The name of the context that stands for clusters; for ``local``, what every cluster has in common.

    Raises:
        UsageError: There is no such context.
    """
    lines = [
        ParityLine(step=each.step, engine=each.difference.engine, asks=each.asked, instead=each.difference.instead)
        for each in differences(graph)
    ]
    refused = [
        *(_refused(graph, "local", each) for each in lacking(graph, this_machine())),
        *(_refused(graph, "kubernetes", each) for each in _refusals(graph, on)),
    ]
    order = {key: place for place, key in enumerate(["", *graph.steps])}
    found = sorted((*refused, *lines), key=lambda line: (order[line.step], line.engine, not line.refused))
    context = None if on == LOCAL else on
    return ParityReport(flow=graph.flow, context=context, honoured=not found, lines=tuple(found))


def _refusals(graph: Graph, on: str) -> Iterator[Fault]:
    if on == LOCAL:
        for key, step in graph.steps.items():
            for fault in step_refusals(step):
                yield Fault(f"steps.{key}.{fault.path}".rstrip("."), fault.message)
        return
    try:
        render(graph, on, {})
    except SpecError as error:
        yield from error.faults


def _refused(graph: Graph, engine: str, fault: Fault) -> ParityLine:
    """Return a refusal as a line, with the step that its path leads to, where it leads to one."""
    path = fault.path.removeprefix("steps.").removeprefix("step ")
    keys = [key for key in graph.steps if path == key or path.startswith(f"{key}.")]
    step = max(keys, key=len, default="") if path != fault.path else ""
    field = path[len(step) :].lstrip(".") if step else fault.path
    asks = f"{field} {fault.message}".strip()
    return ParityLine(step=step, engine=engine, asks=asks, instead="is refused", refused=True)  # type: ignore[arg-type]  # a name
