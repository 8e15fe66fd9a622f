"""What is to run: the steps of a graph, as the very pods that are made for them, those that are alike together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec

from fairlead.insight.nodes import requests_of
from fairlead.snapshots.parts import Part, Ref
from fairlead.snapshots.snapshot import Thing
from fairlead.specs.contexts import Submission
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.runtimes import fewest_nodes
from fairlead.specs.steps import DriverStep, Step, SweepStep
from fairlead.targets import pods
from fairlead.targets.hardware import claims as device_claims
from fairlead.targets.layers import wanted
from fairlead.targets.naming import run_labels
from fairlead.targets.orders import Manifest
from fairlead.targets.podsets import pod_sets
from fairlead.targets.training.table import render as render_gang
from fairlead.targets.training.target import Gang
from fairlead.targets.volumes import run_claims

OWN = ""
"""The name of what Fairlead needs itself."""
_ONES_OWN = frozenset({"command", "args"})
"""What of a container tells one instance from another, and counts for nothing where it is placed."""


@dataclass(frozen=True)
class Pods:
    """Pods that are alike.

    Args:
        pod: One of them, as an object that can be cited.
        count: How many there are.
        least: With how many of them their step would begin.
        role: What they are for; empty where there is but one sort.
        devices: How many devices one of them claims, by what they are counted as.
    """

    pod: Thing
    count: int = 1
    least: int = 1
    role: str = ""
    devices: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def requests(self) -> Mapping[str, Any]:
        """What one of them asks for, as the scheduler counts it."""
        return requests_of(self.pod)

    @cached_property
    def needs(self) -> Mapping[str, Any]:
        """What one of them takes of its node: what it asks for, and the devices that it claims."""
        return {**self.requests, **self.devices}

    @cached_property
    def tolerations(self) -> tuple[Part, ...]:
        """The taints that they tolerate."""
        return tuple(self.pod.each("spec.tolerations"))

    @property
    def spec(self) -> Manifest:
        """The spec of one of them."""
        found: Manifest = self.pod.value["spec"]
        return found


@dataclass(frozen=True)
class Asked:
    """Steps whose pods are alike.

    Args:
        step: Their name; `OWN` for what Fairlead needs itself.
        own: The pods that each instance has one by one: its own, which for a gang waits for the others.
        gang: The pods that it has all together, or not at all.
        queue: The LocalQueue that admits the gang, or else its own pod; empty where nothing is queued.
        instances: How many instances there are.
        is_counted: Whether the graph says how many there are.
        names: The names of the instances in records.
        spot: Whether nodes that may be reclaimed will do.
        device: The name of the accelerators' model, as a price book has it; empty where there are none.
        claims: The claims of volumes that are made beside them.
        templates: The templates of claims of devices that are.
    """

    step: str
    own: tuple[Pods, ...]
    gang: tuple[Pods, ...] = ()
    queue: str = ""
    instances: int = 1
    is_counted: bool = True
    names: frozenset[str] = frozenset()
    spot: bool = False
    device: str = ""
    claims: tuple[Thing, ...] = ()
    templates: tuple[Thing, ...] = ()

    @property
    def queued(self) -> tuple[Pods, ...]:
        """The pods that the queue admits together."""
        return (self.gang or self.own) if self.queue else ()

    @property
    def sets(self) -> tuple[Pods, ...]:
        """All pods of an instance."""
        return (*self.own, *self.gang)

    @property
    def pods(self) -> int:
        """How many pods an instance has."""
        return sum(each.count for each in self.sets)

    @cached_property
    def shape(self) -> bytes:
        """What tells it from others in whether it would run, and in nothing else."""
        sets = [(_bare(each.spec), each.count, each.least) for each in self.sets]
        return msgspec.json.encode((sets, len(self.own), self.queue, [each.value["spec"] for each in self.claims]))


def asked(graph: Graph, submission: Submission) -> list[Asked]:
    """Return what a graph asks of a cluster, in the order of its nodes; what Fairlead needs itself comes last.

    Raises:
        SpecError: An overlay makes a pod what none may be.
    """
    found: dict[tuple[str, bytes], Asked] = {}
    for key, count in _uses(graph).items():
        step = graph.steps[key]
        made = _of_step(submission, step, key)
        made = replace(made, instances=count.instances, is_counted=count.is_counted, names=frozenset(count.names))
        known = found.get((made.step, made.shape))
        if known is not None:
            made = replace(
                known,
                instances=known.instances + made.instances,
                is_counted=known.is_counted and made.is_counted,
                names=known.names | made.names,
            )
        found[made.step, made.shape] = made
    return [*found.values(), _of_run(graph, submission)]


@dataclass
class _Uses:
    instances: int
    is_counted: bool
    names: set[str]


def _uses(graph: Graph) -> dict[str, _Uses]:
    """Return how often each definition is used, as far as the graph says; a sweep's trials are uses."""
    found: dict[str, _Uses] = {}
    for _, node in _left(graph):
        times = 1 if not node.each else node.count if node.count is not None else 1
        known = not node.each or node.count is not None
        step = graph.steps[node.step]
        is_driven = isinstance(step, DriverStep)
        uses = [(node.step, times, node.title, known)]
        if isinstance(step, SweepStep) and step.trial in graph.steps and not pods.is_gang(step):
            uses.append((step.trial, times * step.trials, graph.steps[step.trial].name, known))
        for key, count, name, is_counted in uses:
            each = found.setdefault(key, _Uses(0, True, set()))
            each.instances += count
            each.is_counted = each.is_counted and is_counted and not is_driven
            each.names.add(name)
    return found


def _left(graph: Graph) -> Iterator[tuple[int, Node]]:
    """Yield the nodes by their numbers: of a run that goes on those alone that are left have a definition."""
    return ((number, node) for number, node in enumerate(graph.nodes) if node.step in graph.steps)


def _of_step(submission: Submission, step: Step, key: str) -> Asked:
    own = _template(submission, step, pods.step_pod(submission, step))
    gang = tuple(_members(submission, step, key)) if pods.is_gang(step) else ()
    queues = pods.queue_label(submission.context, step) if gang or not pods.is_driving(step) else {}
    accelerator = step.resources.accelerator
    return Asked(
        step=step.name,
        own=(Pods(own),),
        gang=gang,
        queue=queues.get(pods.QUEUE, ""),
        spot=step.spot,
        device=_device(accelerator) if accelerator is not None else "",
        claims=tuple(_made(submission, run_claims(submission, [step]))),
        templates=tuple(_made(submission, device_claims(submission, [step]))),
    )


def _device(accelerator: Any) -> str:
    """Return the name of a model, or of a slice of one: ``A100-40GB-MIG-3g.20gb``."""
    profile = accelerator.mig_profile
    return f"{accelerator.model.name}-MIG-{profile.name}" if profile else str(accelerator.model.name)


def _members(submission: Submission, step: Step, key: str) -> Iterator[Pods]:
    fewest = fewest_nodes(step.runtime)
    for manifest in render_gang(Gang(submission, step, key, 0, 1)):
        for found in pod_sets(manifest):
            least = min(found.count, fewest) if fewest is not None and found.count > 1 else found.count
            pod = _pod(submission, step.name, found.template)
            yield Pods(pod, found.count, least, found.role)


def _made(submission: Submission, manifests: Iterable[Manifest]) -> Iterator[Thing]:
    for each in manifests:
        yield Thing(Ref(each["kind"], submission.namespace, each["metadata"]["name"]), "", each)


def _of_run(graph: Graph, submission: Submission) -> Asked:
    """Return the pods that Fairlead needs itself: those that install packages, and the last one."""
    context = submission.context
    layers = wanted(graph, [number for number, _ in _left(graph)], context)
    specs = [pods.layer_pod(submission, each.image) for each in layers]
    specs.append(pods.own_pod(context, "fairlead.worker.pods.finish"))
    made = (_pod(submission, "fairlead", {"metadata": {"labels": run_labels(submission)}, "spec": each})
            for each in specs)  # fmt: skip
    return Asked(step=OWN, own=tuple(map(Pods, made)))


def _template(submission: Submission, step: Step, spec: Manifest) -> Thing:
    labels = {**run_labels(submission), **pods.step_labels(step)}
    annotations = pods.step_annotations(submission.context, step)
    return _pod(submission, step.name, {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec})


def _pod(submission: Submission, name: str, template: Manifest) -> Thing:
    """Return a pod as an object; its name is the step's, as the cluster's is not known yet."""
    metadata = {**template.get("metadata", {}), "name": name, "namespace": submission.namespace}
    value = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    return Thing(Ref("Pod", submission.namespace, name), "", value)


def _bare(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pod's spec without what is of one instance alone."""
    bare: dict[str, Any] = {}
    for name, value in spec.items():
        if name in ("containers", "initContainers"):
            value = [{key: each[key] for key in each if key not in _ONES_OWN} for each in value]
        if name != "subdomain":
            bare[name] = value
    return bare
