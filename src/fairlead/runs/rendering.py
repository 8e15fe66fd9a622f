"""What a flow compiles to, printed and never sent: neither the cluster nor the store is asked.

The objects are those that a submission creates, but for what each submission has of its own. In its place stand the
same values every time: the run's id and the moment of its creation are zeros, it is the first claim, and nobody is
named as its owner. So the same flow in the same context gives the same bytes, fit for review and for Git.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

from fairlead.errors import Fault, SpecError, UsageError
from fairlead.kube.connecting import connect
from fairlead.runs import contexts
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.runtimes import CLUSTER_NAME_MAX, Standing, kind_of, runtime_faults
from fairlead.specs.steps import Step, SweepStep
from fairlead.targets.counting import PodCount, count_pods
from fairlead.targets.flow_table import flow_faults, flow_target
from fairlead.targets.hardware import claims
from fairlead.targets.layers import wanted
from fairlead.targets.naming import dns_label
from fairlead.targets.orders import Manifest, Order
from fairlead.targets.refusals import label_refusals, refusals
from fairlead.targets.sweeps import katib_experiment
from fairlead.targets.sweeps.table import placed
from fairlead.targets.training import dask_cluster, ray_cluster, standing_cluster
from fairlead.targets.training.table import render as render_gang
from fairlead.targets.training.target import Gang
from fairlead.targets.volumes import run_claims

RUN = "00000000-000000-00000"
"""The id that stands for a run's."""


class Rendered(NamedTuple):
    """What a run would create, and how many pods would come of it."""

    manifests: list[Manifest]
    pods: PodCount


def render(
    graph: Graph,
    on: str,
    labels: dict[str, str],
    targets: Mapping[str, str] | None = None,
    *,
    only: Iterable[int] | None = None,
) -> Rendered:
    """Compile a graph for a context.

    Args:
        graph: The graph.
        on: The name of the context.
        labels: Labels of the run.
        targets: What runs steps with ranks, by the kind of their runtime, where not what the context says. Where one is
            said, what the first attempt of such a step becomes is rendered too. And what goes through the run, under
            `FLOW`.
        only: The nodes that are to run, where not all are.

    Raises:
        UsageError: There is no such context.
        SpecError: The graph can't run there; every fault is named.
    """
    said = {**contexts.find(on).targets, **(targets or {})}
    graph = placed(graph, said)
    context = check(graph, on, labels)
    target = flow_target(said)
    _refuse(graph, on, flow_faults(target, graph, context), "choose another target: --target NAME")
    submission = submission_of(graph, context, labels, said)
    nodes = dict.fromkeys(range(len(graph.nodes)) if only is None else only)
    manifests = target.render(Order(submission, graph, nodes))
    pods = count_pods(graph, creators=target.creators(manifests), layers=len(wanted(graph, nodes, context)))
    gangs = (Gang(submission, step, key, 0, 1) for key, step in graph.steps.items() if kind_of(step.runtime) in said)
    steps = graph.steps.values()
    beside = [*run_claims(submission, steps), *claims(submission, steps)]
    return Rendered([*manifests, *beside, *(each for gang in gangs for each in render_gang(gang))], pods)


def render_experiments(
    graph: Graph, on: str, labels: dict[str, str], targets: Mapping[str, str] | None = None
) -> list[Manifest]:
    """Compile each sweep of a graph to an Experiment of Katib's. Takes and raises what `render` does.

    Raises:
        UsageError: It has no sweep.
    """
    context = check(graph, on, labels)
    said = {**context.targets, **(targets or {})}
    submission = submission_of(graph, context, labels, said)
    sweeps = [number for number, node in enumerate(graph.nodes) if isinstance(graph.step_of(node), SweepStep)]
    if not sweeps:
        raise UsageError(
            f"flow {graph.flow!r} has no sweep", next="leave --as away, or name a flow that calls fairlead.sweep(…)"
        )
    return [katib_experiment.render(submission, graph, number) for number in sweeps]


def render_cluster(step: Step, on: str, kind: str, name: str | None, labels: dict[str, str]) -> Manifest:
    """Compile the cluster that a step has of its own to one that stands by itself, for steps that share it.

    Args:
        step: The definition.
        on: The name of the context.
        kind: A key of `CLUSTERS`.
        name: The cluster's name; made of the step's where it is not given.
        labels: Labels of the cluster.

    Raises:
        UsageError: There is no such context, or the step has another runtime.
        SpecError: It can't stand there; every fault is named.
    """
    runtime, compiled = CLUSTERS[kind]
    if kind_of(step.runtime) != runtime:
        raise UsageError(
            f"step {step.name!r} can't be a {kind}",
            why=f"its runtime is {kind_of(step.runtime)!r}, and such a cluster is made of {runtime!r} with its workers",
            next=f"name a step with runtime=runtimes.{runtime}(workers=…): FILE:STEP",
        )
    graph = Graph(flow=step.name, steps={step.name: step}, nodes=(Node(step=step.name),))
    place = submission_of(graph, check(graph, on, labels), labels, {})
    named = dns_label(step.name, CLUSTER_NAME_MAX) if name is None else name
    faults = [
        *(Fault("--name", each.message) for each in runtime_faults(Standing(framework=runtime, cluster=named))),
        *standing_cluster.faults(place, step),
    ]
    if faults:
        raise SpecError(f"step {step.name!r}", faults, verdict=f"can't be a {kind} that stands", next="correct these")
    return compiled(standing_cluster.Declared(place, step, named))


CLUSTERS: dict[str, tuple[Literal["ray", "dask"], Callable[[standing_cluster.Declared], Manifest]]] = {
    "RayCluster": ("ray", ray_cluster.render),
    "DaskCluster": ("dask", dask_cluster.render),
}
"""What clusters that stand are made of, and by whom, by their kind."""


def check(graph: Graph, on: str, labels: dict[str, str]) -> Context:
    """Check that a graph can run in a context, and return that. Raises as `render` does."""
    context = contexts.find(on)
    _refuse(graph, on, (*refusals(graph, context), *label_refusals(labels)), "leave --on away")
    return context


def submission_of(
    graph: Graph, context: Context, labels: dict[str, str], targets: dict[str, str], namespace: str = ""
) -> Submission:
    """Return what stands for the submission of a graph that is not submitted; in the context's own namespace."""
    namespace = namespace or namespace_of(context)
    return Submission(run=RUN, flow=graph.flow, context=context, namespace=namespace, labels=labels, targets=targets)


def _refuse(graph: Graph, on: str, faults: Iterable[Fault], instead: str) -> None:
    found = list(faults)
    if found:
        raise SpecError(f"flow {graph.flow!r}", found, verdict=f"can't run in the context {on!r}", next=instead)


def namespace_of(context: Context) -> str:
    """Return the namespace of a context: its own, its kubeconfig's where that can be read, else the default one."""
    if context.namespace:
        return context.namespace
    try:
        return connect(context.kube_context, kubeconfig=context.kubeconfig).namespace
    except UsageError:
        return "default"
