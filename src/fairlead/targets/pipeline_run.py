"""Tekton Pipelines' ``PipelineRun``: a run whose graph the controller itself goes through, with nobody driving it.

A task for each node, and for a mapped one a matrix over its items; a task carries the number of its node, and the pod
finds the rest in the store. Tekton ends a whole run when a task has failed for good, and tries a task again whatever
its exit code was. So a pod whose step may have no further attempt ends well here, and those that wait for it find out
by themselves; and there is one more try than a step's budgets have, which finds that they are spent.

Source: https://tekton.dev/docs/pipelines/pipelineruns/, https://tekton.dev/docs/pipelines/matrix/
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from fairlead.errors import Fault, SpecError
from fairlead.specs import graphs
from fairlead.specs.branching import LISTED_MAX, counted_by, deciding_facts
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.graphs import Graph
from fairlead.specs.steps import Retries, Step
from fairlead.specs.unschedulable import parse_unschedulable
from fairlead.targets import naming, pipeline_tasks, pods
from fairlead.targets.flows import FlowTarget
from fairlead.targets.layers import LayerTasks
from fairlead.targets.orders import Manifest, Order
from fairlead.targets.overlays import changed_faults, overlay, refused
from fairlead.targets.pipeline_tasks import Task, as_task, pod_faults, usual_template
from fairlead.targets.tasks import length_of, lengths
from fairlead.targets.training.target import Resource

BYTES_MAX = 256 << 10
"""The largest object that is sent, as JSON: Tekton copies the tasks into its status, and etcd takes 1.5 MiB."""
INSTANCES_MAX = 2000
"""The most instances of one run: the status names the ``TaskRun`` of each, in some 200 bytes."""
MATRIX_MAX = LISTED_MAX
"""The most items of one matrix: what ``default-max-matrix-combinations-count`` is unless a cluster has another."""

OPENED = frozenset({"metadata.annotations", "metadata.labels", "spec.timeouts"})
"""What an overlay of the kind ``PipelineRun`` can change."""

_RESULTS = "/tekton/results"
"""Where Tekton reads what a task tells others."""
_FINISH = "finish"
_ENDS_WELL = "--spent=0"
_UNENDING = {"pipeline": "0s", "tasks": "0s", "finally": "0s"}
_AGAIN = 3
"""Further tries of the pod that installs packages."""
_UNBROKEN = ("backoff", "factor", "backoff_max")
_PLAIN = Retries()


def faults(graph: Graph, context: Context) -> Iterator[Fault]:
    """Yield what of a graph can't be expressed in a context, with paths into the graph."""
    if parse_unschedulable(context.unschedulable).action != "warn":
        yield Fault("", "a step that is ended as it can't be scheduled would be tried again by Tekton")
    count = 0
    for number in range(len(graph.nodes)):
        length = _known_length(graph, number)
        count += 1 if length is None else length
    if count > INSTANCES_MAX:
        yield Fault("nodes", f"come to {count} tasks, and {INSTANCES_MAX} are the most of a PipelineRun")
    for key in dict.fromkeys(node.step for node in graph.nodes):
        for fault in _step_faults(graph.steps[key], context, graph):
            yield Fault(f"steps.{key}.{fault.path}", fault.message)


def render(order: Order) -> list[Manifest]:
    """Compile a run.

    Returns:
        The one object that it becomes.

    Raises:
        SpecError: An overlay makes it what can't be on a cluster, or it is too large for an object.
    """
    made = _Rendering(order).manifest()
    size = len(naming.as_json(made))
    if size > BYTES_MAX:
        why = f"its PipelineRun has {size >> 10} KiB, and {BYTES_MAX >> 10} KiB is the most"
        raise SpecError(
            f"flow {order.graph.flow!r}",
            [Fault("nodes", f"{why}; the target 'workflow' cuts a run into several objects")],
            verdict="is too large for one object of a cluster",
            next="make it smaller, or choose another target: --target workflow",
        )
    return [made]


def is_completed(pipeline_run: Manifest) -> bool:
    """Say whether a run has ended: its last pod too."""
    conditions = (pipeline_run.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Succeeded" and each["status"] != "Unknown" for each in conditions)


TARGET = FlowTarget(
    name="pipelinerun",
    component="Tekton Pipelines 1.0 or newer",
    resource=Resource("tekton.dev", "v1", "PipelineRun", "pipelineruns"),
    stop={"spec": {"status": "CancelledRunFinally"}},
    by_metadata=False,
    faults=faults,
    render=render,
    is_completed=is_completed,
    creators=lambda _: 0,
)
"""The target."""


def _known_length(graph: Graph, number: int) -> int | None:
    if not graph.nodes[number].each:
        return 1
    try:
        length = counted_by(graph, number)
    except LookupError:  # which rendering refuses
        return None
    return length if isinstance(length, int) else None


def _step_faults(step: Step, context: Context, graph: Graph) -> Iterator[Fault]:
    changed = [name for name in _UNBROKEN if getattr(step.retries, name) != getattr(_PLAIN, name)]
    if changed:
        yield Fault(f"retries.{changed[0]}", "can't be had: Tekton tries a task again without a pause")
    submission = Submission(run="", flow=graph.flow, context=context, namespace="")
    for fault in pod_faults(pods.step_pod(submission, step)):
        devices = fault.path == "resourceClaims"  # of the context's hardware, and not of an overlay
        path = "resources.gpus" if devices else f"overlays.Pod{fault.path and '.'}{fault.path}"
        yield Fault(path, fault.message)


class _Item(NamedTuple):
    """A task of the run: what it becomes in the pipeline, and in the specs of its task runs."""

    task: Manifest
    spec: Manifest


class _Rendering:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._graph: Graph = order.graph
        self._submission = order.submission
        self._context = order.submission.context
        self._layers = LayerTasks(order)
        self._lengths = lengths(order)

    def manifest(self) -> Manifest:
        submission = self._submission
        items = [*self._layer_items(), *(each for number in self._order.nodes for each in self._node_items(number))]
        last = self._finish()
        tasks = [each.task for each in items]
        ending = {"tasks": tasks, "finally": [last.task]} if tasks else {"tasks": [last.task]}  # none is no pipeline
        metadata = {
            "name": naming.run_name(submission),
            "namespace": submission.namespace,
            "labels": naming.run_labels(submission),
            "annotations": {pods.CONTAINER: pipeline_tasks.MAIN},
        }
        template = {"serviceAccountName": self._context.service_account, "podTemplate": usual_template(self._context)}
        spec = {
            "pipelineSpec": ending,
            "taskRunSpecs": [each.spec for each in (*items, last)],
            "taskRunTemplate": template,
            "timeouts": _UNENDING,
        }
        made = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": metadata, "spec": spec}
        return naming.marked(self._overlaid(made))

    def _overlaid(self, made: Manifest) -> Manifest:
        found = made
        for key in dict.fromkeys(self._graph.nodes[number].step for number in self._order.nodes):
            found = overlay(found, "PipelineRun", self._graph.steps[key].overlays)
        wrong = [] if found is made else changed_faults(found, made, OPENED, "overlays.PipelineRun")
        if wrong:
            raise refused(f"flow {self._graph.flow!r}", "PipelineRun", wrong)
        return found

    # Tasks ---------------------------------------------------------------------------------------

    def _node_items(self, number: int) -> Iterator[_Item]:
        node = self._graph.nodes[number]
        step = self._graph.steps[node.step]
        before = [*self._layers.names(node.step)]
        for need in sorted(graphs.needs(node) & self._order.nodes.keys()):
            before += self._names(need)
        item = "$(params.item)" if node.each else "0"
        where = (f"--node={number}", f"--item={item}", _ENDS_WELL)
        made = as_task(self._context, pods.step_pod(self._submission, step, *where, facts=_RESULTS))
        told = [{"name": name, "type": kind} for name, kind in sorted(self._told.get(number, {}).items())]
        common: Manifest = {
            "retries": step.retries.user + step.retries.infrastructure + 1,
            **({"runAfter": before} if before else {}),
            **({"when": conditions} if (conditions := [*self._conditions(number)]) else {}),
        }
        labels = {
            **pods.step_labels(step),
            **({} if pods.is_driving(step) else pods.queue_label(self._context, step)),
            naming.NODE: str(number),
        }
        annotations = pods.step_annotations(self._context, step)
        if not node.each:
            (name,) = self._names(number)
            yield _item(name, made, common, labels | {naming.ITEM: "0"}, annotations, told)
            return
        made = made._replace(spec={"params": [{"name": "item"}], **made.spec})
        for name, items in zip(self._names(number), self._values(number), strict=True):
            matrix = {"matrix": {"params": [{"name": "item", "value": items}]}}
            known = naming.ALL_ITEMS if isinstance(items, str) else ",".join(items)
            yield _item(name, made, common | matrix, labels, annotations | {naming.ITEMS: known}, [])

    def _names(self, number: int) -> list[str]:
        """Return the names of the tasks that a node becomes: none where it has no items."""
        if not self._graph.nodes[number].each:
            return [f"n{number}"]
        return [f"n{number}-{position}" for position, _ in enumerate(self._values(number))]

    def _values(self, number: int) -> list[list[str] | str]:
        """Return the items of a mapped node, as many together as a matrix has; or who says which they are."""
        if number in self._counted:
            return [f"$({_result(*self._counted[number], 'items')}[*])"]
        chosen, length = self._order.nodes[number], self._lengths[number]
        items = [*map(str, range(length or 0) if chosen is None else chosen)]
        return [items[start : start + MATRIX_MAX] for start in range(0, len(items), MATRIX_MAX)]

    def _layer_items(self) -> Iterator[_Item]:
        for layer, key in self._layers.missing.items():
            pod = pods.layer_pod(self._submission, layer.image, f"--step={key}", _ENDS_WELL)
            made = as_task(self._context, pod)
            yield _item(layer.name, made, {"retries": _AGAIN}, {naming.STEP: layer.name}, {}, [])

    def _finish(self) -> _Item:
        """Return the task of the pod that writes down how the run ended, and ends as it did.

        It is tried once more: also where the run has failed, as Tekton does not tell these two apart.
        """
        arguments = (*pods.identity(self._submission), "--as-ended")
        made = as_task(self._context, pods.own_pod(self._context, "fairlead.worker.pods.finish", *arguments))
        return _item(_FINISH, made, {"retries": 1}, {naming.STEP: _FINISH}, {}, [])

    # Conditions ----------------------------------------------------------------------------------

    def _conditions(self, number: int) -> Iterator[Manifest]:
        facts = [_result(*self._guarded[number])] if number in self._guarded else []
        facts += [_result(*self._counted[number], "maps")] if number in self._counted else []
        for fact in facts:
            yield {"input": f"$({fact})", "operator": "in", "values": ["true"]}

    @cached_property
    def _counted(self) -> dict[int, tuple[int, str]]:
        """For each list whose length is known at run time only: the node that says it, and by which fact."""
        mapped = (number for number in self._order.nodes if self._lengths[number] is None)
        found = ((number, length_of(self._order, number)) for number in mapped)
        return {number: length for number, length in found if not isinstance(length, int)}

    @cached_property
    def _guarded(self) -> dict[int, tuple[int, str]]:
        """For each node that starts no pod where its condition does not hold: the node and the fact that decide it.

        A task that is skipped has no results, and Tekton skips what refers to them and all behind that. So what decides
        is no such node itself, nor is what says how long a list is; where it is one, the pod finds out.
        """
        found: dict[int, tuple[int, str]] = {}
        count = {source for source, _ in self._counted.values()}
        for number, (decides, fact) in sorted(deciding_facts(self._graph).items()):
            there = number in self._order.nodes and decides in self._order.nodes
            if there and not self._graph.nodes[decides].each and decides not in found and number not in count:
                found[number] = decides, fact
        return found

    @cached_property
    def _told(self) -> dict[int, dict[str, str]]:
        """The results of each node that others wait for, with their types."""
        told: dict[int, dict[str, str]] = {}
        for decides, fact in self._guarded.values():
            told.setdefault(decides, {})[fact] = "string"
        for source, count in self._counted.values():
            position = count.partition("-")[2]
            told.setdefault(source, {}).update({f"items-{position}": "array", f"maps-{position}": "string"})
        return told


def _result(source: int, fact: str, kind: str = "") -> str:
    """Return how a task refers to what another one tells; to another fact about the same list, where one is named."""
    name = f"{kind}-{fact.partition('-')[2]}" if kind else fact
    return f"tasks.n{source}.results.{name}"


def _item(
    name: str, made: Task, common: Manifest, labels: dict[str, str], annotations: dict[str, str], told: list[Manifest]
) -> _Item:
    results: dict[str, Any] = {"results": told} if told else {}
    metadata = {"labels": labels, **({"annotations": annotations} if annotations else {})}
    spec = {
        "pipelineTaskName": name,
        "metadata": metadata,
        **({"serviceAccountName": made.account} if made.account else {}),
        **({"podTemplate": made.template} if made.template else {}),
    }
    return _Item({"name": name, **common, "taskSpec": {**results, **made.spec}}, spec)
