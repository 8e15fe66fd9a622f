"""The Kubernetes engine: compiles what is left of a run, creates it once, and follows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from fairlead.engines.contract import Observer
from fairlead.engines.kubernetes.following import Follower
from fairlead.engines.kubernetes.submitting import create
from fairlead.errors import Fault
from fairlead.kube.client import Client
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import WORKFLOW
from fairlead.specs.contexts import Context
from fairlead.specs.graphs import Graph
from fairlead.specs.runtimes import Single, kind_of
from fairlead.specs.status import RunStatus
from fairlead.specs.steps import ContainerStep, DriverStep, Step, SweepStep
from fairlead.store import claims
from fairlead.store.backends import Backend
from fairlead.store.history import cancel_requests
from fairlead.store.progress import Progress
from fairlead.store.records import Claim, Handover, RunSpec
from fairlead.targets import naming, workflow
from fairlead.targets.orders import Manifest, Order
from fairlead.worker.concluding import conclude


class KubernetesEngine:
    """Runs flows as Argo Workflows in one namespace. See `fairlead.engines.contract.Engine`.

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

    def faults(self, graph: Graph) -> Iterable[Fault]:
        """Yield what can never run there."""
        for key, step in graph.steps.items():
            for reason in _unfit(step):
                yield Fault(f"steps.{key}", reason)
        if not self._context.image and any(step.environment.image is None for step in graph.steps.values()):
            yield Fault("steps", "name no image, and the context has none: fairlead context add … --image IMAGE")

    def render(self, spec: RunSpec, progress: Progress, claim: Claim, *, cancels_before: int = 0) -> list[Manifest]:
        """Compile what is left of a run."""
        return workflow.render(
            Order(
                run=spec.run,
                graph=spec.graph,
                nodes=dict(_left(progress)),
                context=self._context,
                namespace=self._namespace,
                generation=claim.number,
                revision=spec.revision,
                since=claim.time,
                cancels_before=cancels_before,
                user=spec.user,
                labels=spec.labels,
            )
        )

    def submit(self, spec: RunSpec, progress: Progress, claim: Claim) -> Handover:
        """Create what is left of a run, once, and leave it to the cluster."""
        cancels = cancel_requests(self._backend, spec.run)
        manifests = self.render(spec, progress, claim, cancels_before=cancels)
        for manifest in manifests:
            create(self._client, manifest)
        name = manifests[-1]["metadata"]["name"]
        handover = Handover(context=self._context.name, namespace=self._namespace, name=name, cancels_before=cancels)
        claims.hand_over(self._backend, spec.run, claim, handover)
        return handover

    def follow(
        self, spec: RunSpec, progress: Progress, claim: Claim, handover: Handover, observer: Observer
    ) -> RunStatus:
        """Tell an observer what becomes of a submitted run, until it has ended; may be left at any time."""
        observer.started(spec, progress)
        Follower(self._client, handover.namespace, self._backend, spec, progress, observer).follow(handover.name)
        # As a rule the run's last pod has done it.
        return conclude(self._backend, spec, claim, cancels_before=handover.cancels_before)

    def cancel(self, run: str) -> None:
        """Have the cluster stop a run's workflows; their last pods write down that it was cancelled."""
        for found in self._client.list(
            WORKFLOW, namespace=self._namespace, labels={naming.RUN: run}, metadata_only=True
        ).items:
            with suppress(NotFound):
                self._client.patch(
                    WORKFLOW, found["metadata"]["name"], {"spec": {"shutdown": "Stop"}}, namespace=self._namespace
                )


def _left(progress: Progress) -> Iterator[tuple[int, tuple[int, ...] | None]]:
    """Yield the nodes that are still to run, with those of their items that are where some are not."""
    for number in range(len(progress.graph.nodes)):
        if not progress.is_expanded(number):
            yield number, None
            continue
        instances = progress.instances_of(number)
        opened = tuple(position for position, each in enumerate(instances) if not each.ended)
        if opened:
            yield number, None if len(opened) == len(instances) else opened


def _unfit(step: Step) -> Iterator[str]:
    if isinstance(step, DriverStep | SweepStep | ContainerStep):
        kinds = {DriverStep: "a dynamic flow", SweepStep: "a sweep", ContainerStep: "a container step"}
        yield f"{kinds[type(step)]} can't run on a cluster yet"
    if not isinstance(step.runtime, Single):
        yield f"the runtime {kind_of(step.runtime)!r} can't run on a cluster yet"
    if any(volume.size is not None for volume in step.volumes):
        yield "a volume that is made for the step can't be had on a cluster yet; name a claim"
