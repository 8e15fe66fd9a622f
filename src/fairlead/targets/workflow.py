"""Argo Workflows' ``Workflow``: a run whose graph the controller itself goes through, with nobody driving it.

One template for each definition of a step, never for a node: tasks carry the number of their node, and the pod finds
the rest in the store. The order of tasks (``depends``) lets through whatever may run; whether it does is decided by
the pod, with the rules of every engine. Where one step alone decides a condition, its pod says so, and no pod starts.

Source: https://argo-workflows.readthedocs.io/en/release-3.7/fields/
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from fairlead.errors import Fault, SpecError
from fairlead.specs import graphs
from fairlead.specs.branching import counted_by, deciding_facts, lists_of
from fairlead.specs.conditions import scalars
from fairlead.specs.graphs import Graph, Node, outputs_in
from fairlead.specs.steps import Step
from fairlead.targets import naming, pods, templates
from fairlead.targets.layers import LayerTasks
from fairlead.targets.orders import Manifest, Order
from fairlead.targets.overlays import object_faults, overlay
from fairlead.targets.restricted import annotation_faults

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

_FLOW, _FINISH = "flow", "finish"


def render(order: Order) -> list[Manifest]:
    """Compile a run.

    Returns:
        The objects in the order of their creation: the workflow.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster, or the graph is too large for one object.
    """
    workflow = naming.marked(_Rendering(order).workflow())
    size = len(naming.as_json(workflow))
    if size > BYTES_MAX:
        why = f"its Workflow has {size >> 10} KiB for {len(order.nodes)} nodes, and {BYTES_MAX >> 10} KiB is the most"
        raise SpecError(
            f"flow {order.graph.flow!r}",
            [Fault("nodes", why)],
            verdict="is too large for one object of a cluster",
            next="map over lists instead of calling a step in a loop: step.map(items) is one node, however many items",
        )
    return [workflow]


class _Rendering:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._graph: Graph = order.graph
        self._submission = order.submission
        self._context = order.submission.context
        self._layers = LayerTasks(order)

    def workflow(self) -> Manifest:
        submission, account = self._submission, self._context.service_account
        spec: dict[str, Any] = {
            "entrypoint": _FLOW,
            "onExit": _FINISH,
            "serviceAccountName": account,
            "automountServiceAccountToken": False,
            "executor": {"serviceAccountName": account},
            "securityContext": pods.pod_security(self._context.user),
            "podMetadata": {"labels": naming.run_labels(submission)},
            "ttlStrategy": {"secondsAfterCompletion": KEPT_S},
            "templates": [
                self._flow(),
                *self._layers.templates(),
                *self._steps(),
                templates.finish(submission, _FINISH),
            ],
        }
        if self._context.priority:
            spec["podPriorityClassName"] = self._context.priority
        return self._overlaid(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Workflow",
                "metadata": {
                    "name": naming.run_name(submission),
                    "namespace": submission.namespace,
                    "labels": naming.run_labels(submission),
                },
                "spec": spec,
            }
        )

    def _overlaid(self, made: Manifest) -> Manifest:
        found = made
        for key in self._template_names:
            found = overlay(found, "Workflow", self._graph.steps[key].overlays)
        faults = [] if found is made else list(object_faults(found, made, OPENED, "overlays.Workflow"))
        annotations = {} if faults else found["spec"]["podMetadata"].get("annotations", {})
        faults += annotation_faults(annotations, "overlays.Workflow.spec.podMetadata.annotations")
        if faults:
            raise SpecError(
                f"flow {self._graph.flow!r}",
                faults,
                verdict="asks for a workflow that can't be on a cluster",
                next="leave these fields out of its steps' overlays",
            )
        return found

    # The graph ---------------------------------------------------------------------------------

    def _flow(self) -> Manifest:
        tasks = [*self._layers.tasks(), *map(self._task, self._order.nodes)]
        return {"name": _FLOW, "dag": {"failFast": False, "tasks": tasks}}

    def _task(self, number: int) -> Manifest:
        node = self._graph.nodes[number]
        task: Manifest = {"name": _task_name(number), "template": self._template_names[node.step]}
        item = "{{item}}" if node.each else "0"
        task["arguments"] = {
            "parameters": [{"name": "node", "value": str(number)}, {"name": "item", "value": item}],
        }
        depends = " && ".join([*self._layers.conditions(node.step), *self._conditions(node)])
        if depends:
            task["depends"] = depends
        if number in self._facts:
            decides, fact = self._facts[number]
            task["when"] = f"{{{{tasks.{_task_name(decides)}.outputs.parameters.{fact}}}}} == true"
        items = self._order.nodes[number]
        if node.each and items is not None:
            task["withItems"] = [str(item) for item in items]
        elif node.each:
            task["withSequence"] = {"count": self._count(number)}
        return task

    def _conditions(self, node: Node) -> Iterator[str]:
        """Yield for each node that another waits for how it must have ended, wider rather than too narrow."""
        required = {scalar.node for scalar in scalars(node.when)} if node.when is not None else set()
        for binding in node.inputs.values():
            required.update(_required(binding))
        for need in sorted(graphs.needs(node) & self._order.nodes.keys()):
            name = _task_name(need)
            words = ["Succeeded"]
            if self._graph.nodes[need].each:  # some of its items may do, or it has none
                words += ["Failed", "Errored", "Skipped"]
            if need not in required:
                words += ["Skipped", "Omitted"]
            found = " || ".join(f"{name}.{word}" for word in dict.fromkeys(words))
            yield f"({found})" if len(words) > 1 else found

    def _count(self, number: int) -> str:
        if number in self._order.counts:
            return str(self._order.counts[number])
        try:
            counted = counted_by(self._graph, number)
            if isinstance(counted, int):
                return str(counted)
            source, fact = counted
            if source not in self._order.nodes:
                raise LookupError(f"node {source}, which says how long its list is, does not run again")
        except LookupError as error:
            raise SpecError(f"flow {self._graph.flow!r}", [Fault(f"nodes[{number}].each", str(error))]) from error
        return f"{{{{tasks.{_task_name(source)}.outputs.parameters.{fact}}}}}"

    @cached_property
    def _facts(self) -> dict[int, tuple[int, str]]:
        """For each conditional node that a node of this workflow decides: that node, and the name of its fact.

        Where a mapped node decides, there is a fact for each item and none for all.
        """
        return {
            number: (decides, fact)
            for number, (decides, fact) in deciding_facts(self._graph).items()
            if decides in self._order.nodes and not self._graph.nodes[decides].each
        }

    # Templates ---------------------------------------------------------------------------------

    @cached_property
    def _template_names(self) -> dict[str, str]:
        """The name of the template of each definition that is still to run, in the order of the graph."""
        keys = dict.fromkeys(self._graph.nodes[number].step for number in self._order.nodes)
        return {key: naming.dns_label(key, 40, taken=(_FLOW, _FINISH)) for key in keys}

    def _steps(self) -> Iterator[Manifest]:
        promised: dict[str, set[str]] = {}
        for number in self._order.nodes:
            promised.setdefault(self._graph.nodes[number].step, set()).update(lists_of(self._graph, number))
        for decides, fact in self._facts.values():
            promised[self._graph.nodes[decides].step].add(fact)
        for key, name in self._template_names.items():
            step: Step = self._graph.steps[key]
            yield templates.step(self._submission, name, step, sorted(promised[key], key=_position))


def _task_name(number: int) -> str:
    return f"n{number}"


def _position(fact: str) -> tuple[str, int]:
    kind, _, position = fact.partition("-")
    return kind, int(position)


def _required(binding: graphs.Binding) -> set[int]:
    """Return the nodes without which a binding has no value."""
    if isinstance(binding, graphs.Literally | graphs.FirstOf):
        return set()
    if isinstance(binding, graphs.ListOf):
        return {need for item in binding.items for need in _required(item)}
    if isinstance(binding, graphs.DictOf):
        return {need for item in binding.items.values() for need in _required(item)}
    return {output.node for output in outputs_in(binding)}
