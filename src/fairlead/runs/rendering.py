"""What a flow compiles to, printed and never sent: neither the cluster nor the store is asked.

The objects are those that a submission creates, but for what each submission has of its own. In its place stand the
same values every time: the run's id and the moment of its creation are zeros, it is the first claim, and nobody is
named as its owner. So the same flow in the same context gives the same bytes, fit for review and for Git.
"""

from __future__ import annotations

from typing import NamedTuple

from fairlead.errors import SpecError, UsageError
from fairlead.kube.connecting import connect
from fairlead.runs import contexts
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.graphs import Graph
from fairlead.targets import workflow
from fairlead.targets.counting import PodCount, count_pods
from fairlead.targets.orders import Manifest, Order
from fairlead.targets.refusals import label_refusals, refusals

RUN = "00000000-000000-00000"
"""The id that stands for a run's."""


class Rendered(NamedTuple):
    """What a run would create, and how many pods would come of it."""

    manifests: list[Manifest]
    pods: PodCount


def render(graph: Graph, on: str, labels: dict[str, str]) -> Rendered:
    """Compile a graph for a context.

    Args:
        graph: The graph.
        on: The name of the context.
        labels: Labels of the run.

    Raises:
        UsageError: There is no such context.
        SpecError: The graph can't run there; every fault is named.
    """
    context = contexts.find(on)
    faults = [*refusals(graph, context), *label_refusals(labels)]
    if faults:
        raise SpecError(
            f"flow {graph.flow!r}", faults, verdict=f"can't run in the context {on!r}", next="leave --on away"
        )
    submission = Submission(run=RUN, flow=graph.flow, context=context, namespace=namespace_of(context), labels=labels)
    nodes = dict.fromkeys(range(len(graph.nodes)))
    return Rendered(workflow.render(Order(submission, graph, nodes)), count_pods(graph))


def namespace_of(context: Context) -> str:
    """Return the namespace of a context: its own, its kubeconfig's where that can be read, else the default one."""
    if context.namespace:
        return context.namespace
    try:
        return connect(context.kube_context, kubeconfig=context.kubeconfig).namespace
    except UsageError:
        return "default"
