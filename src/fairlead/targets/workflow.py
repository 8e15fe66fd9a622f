"""Argo Workflows' ``Workflow``: a run whose graph the controller itself goes through, with nobody driving it.

One template for each definition of a step, never for a node: tasks carry the number of their node, and the pod finds
the rest in the store (`fairlead.targets.tasks`). A graph that is too large for one object becomes several, which a pod
of the first creates (`fairlead.targets.cutting`).

Source: https://argo-workflows.readthedocs.io/en/release-3.7/fields/
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from fairlead.errors import Fault, SpecError
from fairlead.specs.graphs import Graph
from fairlead.targets import naming, pods, templates
from fairlead.targets.cutting import Part, allowances, cut
from fairlead.targets.flows import FlowTarget
from fairlead.targets.layers import LayerTasks, wanted
from fairlead.targets.orders import Manifest, Order
from fairlead.targets.overlays import changed_faults, overlay, refused
from fairlead.targets.restricted import annotation_faults
from fairlead.targets.tasks import WHOLE, Tasks, lengths, parts_task
from fairlead.targets.training.target import Resource

KEPT_S = 24 * 3600
"""Seconds that a finished workflow and its pods are kept, where nobody records them as they end."""

BYTES_MAX = 256 << 10
"""The largest object that is sent, as JSON: with the status of its nodes it grows, and etcd takes 1.5 MiB."""

OPENED = frozenset(
    {"metadata.annotations", "metadata.labels"}
    | {
        f"spec.{each}"
        for each in (
            "activeDeadlineSeconds", "affinity", "dnsConfig", "dnsPolicy", "hostAliases", "imagePullSecrets",
            "nodeSelector", "parallelism", "podDisruptionBudget", "podGC", "podMetadata.annotations",
            "podMetadata.labels", "podPriorityClassName", "priority", "schedulerName", "synchronization",
            "tolerations", "ttlStrategy",
        )
    }
)  # fmt: skip
"""What an overlay of the kind ``Workflow`` can change."""

_FLOW, _FINISH, _PARTS = "flow", "finish", "parts"
_SPARE = 24 << 10
"""Bytes that are left for what is not a template or a task."""


def render(order: Order) -> list[Manifest]:
    """Compile a run.

    Returns:
        The workflow, which whoever submits creates. Where the graph is too large for one, those of its parts follow,
        which a pod of the first creates; as far as can be said before it runs.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster, or a step is too large for an object.
    """
    rendering = _Rendering(order)
    own = rendering.allowances()
    if own is not None:
        whole = rendering.workflow(naming.run_name(order.submission), own)
        if len(naming.as_json(whole)) <= BYTES_MAX:
            return [whole]
    return [rendering.root(), *(render_part(order, part) for part in parts(order))]


def parts(order: Order) -> list[Part]:
    """Cut a run into parts, the same whatever of it is still to run. Raises as `render` does."""
    whole = order._replace(nodes=dict.fromkeys(range(len(order.graph.nodes))), counts={})
    found = cut(order.graph, whole.nodes, lengths(whole), _Rendering(whole).template_size, BYTES_MAX - _SPARE)
    opened = (
        Part(part.name, {number: order.nodes[number] for number in part.nodes if number in order.nodes})
        for part in found
    )
    return [part for part in opened if part.nodes]


def render_part(order: Order, part: Part) -> Manifest:
    """Compile a part of a run, of which `order` is the whole, and which begins once its packages are there.

    Raises as `render` does.
    """
    layers = list(wanted(order.graph, part.nodes, order.submission.context))
    rendering = _Rendering(order._replace(nodes=part.nodes, layers=layers))
    own = rendering.allowances()
    assert own is not None  # as it was cut
    made = rendering.workflow(naming.run_name(order.submission, part.name), own, part.name)
    size = len(naming.as_json(made))
    if size > BYTES_MAX:
        steps = ", ".join(sorted({order.graph.nodes[number].step for number in part.nodes}))
        why = f"its Workflow has {size >> 10} KiB, and {BYTES_MAX >> 10} KiB is the most"
        raise SpecError(
            f"flow {order.graph.flow!r}",
            [Fault(f"steps.{steps}", why)],
            verdict="is too large for one object of a cluster",
            next="make the overlays of these steps smaller",
        )
    return made


def creators(manifests: list[Manifest]) -> int:
    """Return how many pods surely create parts, by the objects that a run was compiled to."""
    tasks = (task for each in manifests for task in each["spec"]["templates"][0]["dag"]["tasks"])
    return sum(task["template"] == _PARTS and "when" not in task for task in tasks)


def is_completed(workflow: Manifest) -> bool:
    """Say whether a workflow has ended, by its metadata: its last pod too."""
    labels: dict[str, str] = workflow["metadata"].get("labels", {})
    return labels.get("workflows.argoproj.io/completed") == "true"


TARGET = FlowTarget(
    name="workflow",
    component="Argo Workflows 3.5 or newer",
    resource=Resource("argoproj.io", "v1alpha1", "Workflow", "workflows"),
    stop={"spec": {"shutdown": "Stop"}},
    by_metadata=True,
    faults=lambda _, __: (),
    render=render,
    is_completed=is_completed,
    creators=creators,
)
"""The target."""


class _Rendering:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._graph: Graph = order.graph
        self._submission = order.submission
        self._context = order.submission.context
        self._layers = LayerTasks(order)

    def allowances(self) -> dict[int, int] | None:
        """Return the most items of each mapped node that one workflow runs; None where it would be too large."""
        return allowances(self._graph, lengths(self._order))

    def template_size(self, key: str) -> int:
        """Return how many bytes the template of a definition has."""
        return self._template_sizes[key]

    def root(self) -> Manifest:
        """Return the workflow of a run that is cut into parts: the pod that creates them, and the last pod."""
        before = dict.fromkeys(each for key in self._template_names for each in self._layers.conditions(key))
        creator = parts_task(WHOLE, _PARTS) | ({"depends": " && ".join(before)} if before else {})
        return self._made(naming.run_name(self._submission), [creator], [self._creator()])

    def workflow(self, name: str, own: dict[int, int], part: str = "") -> Manifest:
        """Return the workflow of all that is to run.

        Args:
            name: Its name.
            own: The most items of each mapped node that it runs itself.
            part: Which part of a run it is; the whole where this is empty.
        """
        tasks = Tasks(self._order, self._template_names, own, _PARTS, self._layers.conditions)
        listed = list(tasks)
        templates = [self._step(key, tasks.facts_of(key)) for key in self._template_names]
        if any(task["template"] == _PARTS for task in listed):
            templates.append(self._creator())
        return self._made(name, listed, templates, part)

    def _made(self, name: str, tasks: list[Manifest], made: list[Manifest], part: str = "") -> Manifest:
        submission, account = self._submission, self._context.service_account
        labels = naming.run_labels(submission)
        end = [] if part else [templates.finish(submission, _FINISH)]
        spec: dict[str, Any] = {
            "entrypoint": _FLOW,
            **({} if part else {"onExit": _FINISH}),
            "serviceAccountName": account,
            "automountServiceAccountToken": False,
            "executor": {"serviceAccountName": account},
            "securityContext": pods.pod_security(self._context.user),
            "podMetadata": {"labels": labels},
            "ttlStrategy": {"secondsAfterCompletion": KEPT_S},
            **self._collected(part),
            "templates": [
                {"name": _FLOW, "dag": {"failFast": False, "tasks": [*self._layers.tasks(), *tasks]}},
                *self._layers.templates(),
                *made,
                *end,
            ],
        }
        if self._context.priority:
            spec["podPriorityClassName"] = self._context.priority
        metadata = {
            "name": name,
            "namespace": submission.namespace,
            "labels": labels | ({naming.PART: part} if part else {}),
        }
        manifest = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "spec": spec}
        return naming.marked(self._overlaid(manifest))

    def _collected(self, part: str) -> dict[str, Any]:
        """Return what has pods removed that have succeeded: those that hold storage of their own, and all of parts.

        Whoever watches the pods of a cluster pays for each that is there, and what they have said is in the store. One
        that failed may be looked into.
        """
        if part:
            return {"podGC": {"strategy": "OnPodSuccess", "deleteDelayDuration": "1m"}}
        if not any(templates.has_scratch(self._graph.steps[key]) for key in self._template_names):
            return {}
        marked = {"matchLabels": {naming.SCRATCH: "true"}}
        return {"podGC": {"strategy": "OnPodSuccess", "labelSelector": marked}}

    def _overlaid(self, made: Manifest) -> Manifest:
        found = made
        for key in self._template_names:
            found = overlay(found, "Workflow", self._graph.steps[key].overlays)
        if found is made:
            return made
        faults = changed_faults(found, made, OPENED, "overlays.Workflow")
        if not faults:
            annotations = found["spec"]["podMetadata"].get("annotations", {})
            faults += annotation_faults(annotations, "overlays.Workflow.spec.podMetadata.annotations")
        if faults:
            raise refused(f"flow {self._graph.flow!r}", "Workflow", faults)
        return found

    # Templates ---------------------------------------------------------------------------------

    @cached_property
    def _template_names(self) -> dict[str, str]:
        """The name of the template of each definition that is still to run, in the order of the graph."""
        keys = dict.fromkeys(self._graph.nodes[number].step for number in self._order.nodes)
        return {key: naming.dns_label(key, 40, taken=(_FLOW, _FINISH, _PARTS)) for key in keys}

    @cached_property
    def _template_sizes(self) -> dict[str, int]:
        return {key: len(naming.as_json(self._step(key, []))) for key in self._template_names}

    def _step(self, key: str, facts: list[str]) -> Manifest:
        return templates.step(self._submission, self._template_names[key], self._graph.steps[key], facts)

    def _creator(self) -> Manifest:
        return templates.parts(self._submission, _PARTS)
