"""The Kubernetes engine: compiles what is left of a run, creates it once, and follows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from fairlead.engines.contract import Observer
from fairlead.engines.kubernetes.claiming import Claims
from fairlead.engines.kubernetes.following import Follower
from fairlead.engines.kubernetes.inside.owning import owner_of
from fairlead.engines.kubernetes.remaining import counts, left
from fairlead.engines.kubernetes.submitting import create
from fairlead.errors import Fault, NotFoundError, SpecError
from fairlead.kube.client import Client
from fairlead.kube.discovery import Discovery
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import Kind
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.graphs import Graph
from fairlead.specs.status import RunStatus
from fairlead.store import claims
from fairlead.store.backends import Backend
from fairlead.store.history import cancel_requests, read_submissions
from fairlead.store.layers import is_known
from fairlead.store.layout import submission_key
from fairlead.store.progress import Progress
from fairlead.store.records import Claim, Handover, RunSpec, decode, encode
from fairlead.targets import naming
from fairlead.targets.flow_table import FLOW, choose_flow, flow_target
from fairlead.targets.flows import FlowTarget
from fairlead.targets.layers import Layer, wanted
from fairlead.targets.orders import Order
from fairlead.targets.pods import is_driving, is_gang
from fairlead.targets.refusals import refusals
from fairlead.targets.training.gang_scheduling import GROUPS, group_resource
from fairlead.targets.training.table import choose
from fairlead.targets.training.target import Target
from fairlead.worker.concluding import conclude


class KubernetesEngine:
    """Runs flows in one namespace, by what its cluster has for that. See `fairlead.engines.contract.Engine`.

    Args:
        context: Where.
        client: The cluster's client.
        namespace: The namespace, which the context or its kubeconfig names.
        backend: The store.
    """

    def __init__(self, context: Context, client: Client, namespace: str, backend: Backend) -> None:
        self._context = context
        self._client = client
        self._namespace = namespace
        self._backend = backend
        self._discovery = Discovery(client)

    def faults(self, graph: Graph) -> Iterable[Fault]:
        """Return what can never run there."""
        return refusals(graph, self._context)

    def targets(self, graph: Graph) -> dict[str, str]:
        """Return what runs a graph's steps with ranks, and those that its drivers call, by the kind of their runtime.

        And what goes through the whole of it, under `FLOW`, where that is not the first of all targets.

        Raises:
            SpecError: The cluster has nothing for one of them.
            ClusterError: It does not answer.
        """
        return chosen_targets(graph, self._context, self._discovery)

    def is_served(self, target: Target | FlowTarget) -> bool:
        """Say whether the cluster has what a target creates."""
        return is_served(self._discovery, target)

    def submission(self, spec: RunSpec, claim: Claim) -> Submission:
        """Return what a run is submitted with, under a claim on it."""
        context = msgspec.structs.replace(self._context, kubeconfig="", kube_context="", store_env="")
        return Submission(
            run=spec.run,
            flow=spec.graph.flow,
            context=context,
            namespace=self._namespace,
            generation=claim.number,
            revision=spec.revision,
            cancels_before=cancel_requests(self._backend, spec.run),
            user=spec.user,
            labels=spec.labels,
            targets=self.targets(spec.graph),
        )

    def submit(self, spec: RunSpec, progress: Progress, claim: Claim) -> Handover:
        """Create what is left of a run, once, and leave it to the cluster."""
        submission = self.submission(spec, claim)
        self._backend.create(submission_key(spec.run, claim.number), encode(submission))
        nodes = left(progress)
        layers = known_layers(self._backend, spec.graph, nodes, self._context)
        target = flow_target(submission.targets)
        own, *_ = target.render(Order(submission, spec.graph, nodes, counts(progress, nodes), layers))
        self._claim(submission, spec.graph, create(self._client, own))
        return self._hand_over(submission, claim)

    def follow(
        self, spec: RunSpec, progress: Progress, claim: Claim, handover: Handover, observer: Observer
    ) -> RunStatus:
        """Tell an observer what becomes of a submitted run, until it has ended; may be left at any time."""
        observer.started(spec, progress)
        target = flow_target(self._submitted(spec.run, claim).targets)
        Follower(self._client, handover.namespace, self._backend, spec, progress, observer, target).follow(
            handover.name
        )
        # As a rule the run's last pod has done it.
        return conclude(self._backend, spec, claim, cancels_before=handover.cancels_before)

    def adopt(self, spec: RunSpec, claim: Claim) -> Handover | None:
        """Return where a run was left to under a claim, also where its client died before it could write that down."""
        handover = claims.handed_over(self._backend, spec.run, claim)
        if handover is not None:
            return handover
        try:
            submission = self._submitted(spec.run, claim)
            kind = Kind(*flow_target(submission.targets).resource)
            name = naming.run_name(submission)
            found = self._client.get(kind, name, namespace=submission.namespace, metadata_only=True)
        except (NotFound, NotFoundError):  # it had not come so far
            return None
        self._claim(submission, spec.graph, found)
        return self._hand_over(submission, claim)

    def cancel(self, run: str) -> bool:
        """Have the cluster stop what a run was submitted as; its last pods write down that it was cancelled.

        Returns:
            Whether there is something that has not ended.
        """
        stopped = False
        for target in submitted_as(read_submissions(self._backend, run)):
            kind = Kind(*target.resource)
            listed = self._client.list(
                kind, namespace=self._namespace, labels={naming.RUN: run}, metadata_only=target.by_metadata
            )
            for found in listed.items:
                if target.is_completed(found):
                    continue
                with suppress(NotFound):
                    self._client.patch(kind, found["metadata"]["name"], target.stop, namespace=self._namespace)
                    stopped = True
        return stopped

    def _submitted(self, run: str, claim: Claim) -> Submission:
        key = submission_key(run, claim.number)
        return decode(self._backend.get(key), Submission, key=key)

    def _claim(self, submission: Submission, graph: Graph, made: Mapping[str, Any]) -> None:
        """Create what pods of a run whose object was made need beside it."""
        kind = Kind(*flow_target(submission.targets).resource)
        Claims(self._client, submission, owner_of(kind, made)).make(graph.steps.values())

    def _hand_over(self, submission: Submission, claim: Claim) -> Handover:
        handover = Handover(
            context=self._context.name,
            namespace=submission.namespace,
            name=naming.run_name(submission),
            cancels_before=submission.cancels_before,
        )
        claims.hand_over(self._backend, submission.run, claim, handover)
        return handover


def chosen_targets(graph: Graph, context: Context, discovery: Discovery) -> dict[str, str]:
    """Return what runs a graph in a context by what its cluster serves; see `KubernetesEngine.targets`."""

    def served(target: Target | FlowTarget) -> bool:
        return is_served(discovery, target)

    flow, faults = choose_flow(graph, context, served)
    whole = {} if flow is flow_target({}) else {FLOW: flow.name}
    chosen: dict[str, str] = {}
    if any(map(is_driving, graph.steps.values())):
        chosen, lacking = choose(graph.steps, context.targets, served)
        faults += [*lacking, *_group_faults(graph, context, discovery)]
    if faults:
        raise SpecError(
            f"flow {graph.flow!r}",
            faults,
            verdict=f"can't run in the context {context.name!r}",
            next="choose another target, --target NAME, or add the context as its cluster is",
        )
    return chosen | whole


def _group_faults(graph: Graph, context: Context, discovery: Discovery) -> Iterator[Fault]:
    """Yield that the cluster has no groups for the gang scheduler of its context."""
    group = group_resource(context)
    gangs = sorted(key for key, step in graph.steps.items() if is_gang(step))
    if group and gangs and not discovery.serves(Kind(*group)):
        served = f"the cluster does not serve {group.kind} ({group.api_version})"
        why = f"the context's gangs need {GROUPS[group]}: {served}"
        yield Fault(f"steps.{gangs[0]}.runtime", why)


def is_served(discovery: Discovery, target: Target | FlowTarget) -> bool:
    """Say whether a cluster has what a target creates."""
    resources = (target.resource,) if isinstance(target, FlowTarget) else target.resources
    return all(discovery.serves(Kind(*each)) for each in resources)


def submitted_as(submissions: Iterable[Submission]) -> list[FlowTarget]:
    """Return what a run became by its submissions, each once; the first of all targets where it has none."""
    found = {target.name: target for target in (flow_target(each.targets) for each in submissions)}
    return [*found.values()] or [flow_target({})]


def known_layers(backend: Backend, graph: Graph, nodes: Iterable[int], context: Context) -> list[Layer]:
    """Return which of the layers that some nodes need are in the store, as far as is known of their images."""
    return [each for each in wanted(graph, nodes, context) if is_known(backend, each.lock, each.image)]
