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

from fairlead.specs import graphs
from fairlead.specs.branching import conditions_on, counted_by, decider, lists_of
from fairlead.specs.conditions import scalars
from fairlead.specs.graphs import Graph, Node, outputs_in
from fairlead.specs.status import SPENT
from fairlead.specs.steps import Step
from fairlead.targets import naming, pods
from fairlead.targets.orders import Manifest, Order

KEPT_S = 24 * 3600
"""Seconds that a finished workflow and its pods are kept, where nobody records them as they end."""


def render(order: Order) -> list[Manifest]:
    """Compile a run.

    Returns:
        The objects in the order of their creation: the workflow.
    """
    return [naming.marked(_Rendering(order).workflow())]


class _Rendering:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._graph: Graph = order.graph
        self._submission = order.submission
        self._context = order.submission.context

    def workflow(self) -> Manifest:
        submission, account = self._submission, self._context.service_account
        spec: dict[str, Any] = {
            "entrypoint": "flow",
            "onExit": "finish",
            "serviceAccountName": account,
            "automountServiceAccountToken": False,
            "executor": {"serviceAccountName": account},
            "securityContext": pods.pod_security(self._context.user),
            "podMetadata": {"labels": naming.run_labels(submission)},
            "ttlStrategy": {"secondsAfterCompletion": KEPT_S},
            "templates": [self._flow(), *self._steps(), self._finish()],
        }
        if self._context.priority:
            spec["podPriorityClassName"] = self._context.priority
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {
                "name": naming.run_name(submission),
                "namespace": submission.namespace,
                "labels": naming.run_labels(submission),
            },
            "spec": spec,
        }

    # The graph ---------------------------------------------------------------------------------

    def _flow(self) -> Manifest:
        tasks = [self._task(number) for number in self._order.nodes]
        return {"name": "flow", "dag": {"failFast": False, "tasks": tasks}}

    def _task(self, number: int) -> Manifest:
        node = self._graph.nodes[number]
        task: Manifest = {"name": _task_name(number), "template": self._template_names[node.step]}
        item = "{{item}}" if node.each else "0"
        task["arguments"] = {
            "parameters": [{"name": "node", "value": str(number)}, {"name": "item", "value": item}],
        }
        depends = " && ".join(self._conditions(node))
        if depends:
            task["depends"] = depends
        decides = decider(node)
        if decides is not None and decides in self._order.nodes:
            task["when"] = f"{{{{tasks.{_task_name(decides)}.outputs.parameters.{self._facts[number]}}}}} == true"
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
        counted = counted_by(self._graph, number)
        if isinstance(counted, int):
            return str(counted)
        source, fact = counted
        return f"{{{{tasks.{_task_name(source)}.outputs.parameters.{fact}}}}}"

    @cached_property
    def _facts(self) -> dict[int, str]:
        """The name of the fact that decides each conditional node."""
        deciding = {decides for node in self._graph.nodes if (decides := decider(node)) is not None}
        return {dependent: name for each in deciding for name, dependent in conditions_on(self._graph, each).items()}

    # Templates ---------------------------------------------------------------------------------

    @cached_property
    def _template_names(self) -> dict[str, str]:
        """The name of the template of each definition that is still to run, in the order of the graph."""
        keys = dict.fromkeys(self._graph.nodes[number].step for number in self._order.nodes)
        return {key: naming.dns_label(key, 40) for key in keys}

    def _steps(self) -> Iterator[Manifest]:
        promised: dict[str, set[str]] = {}
        for number in self._order.nodes:
            node = self._graph.nodes[number]
            promised.setdefault(node.step, set()).update(lists_of(self._graph, number))
        for dependent, fact in self._facts.items():
            decides = decider(self._graph.nodes[dependent])
            assert decides is not None
            promised.setdefault(self._graph.nodes[decides].step, set()).add(fact)
        for key in self._template_names:
            yield self._step(key, self._graph.steps[key], sorted(promised.get(key, ())))

    def _step(self, key: str, step: Step, promised: list[str]) -> Manifest:
        where = ("--node={{inputs.parameters.node}}", "--item={{inputs.parameters.item}}")
        template: Manifest = {
            "name": self._template_names[key],
            "inputs": {"parameters": [{"name": "node"}, {"name": "item"}]},
            "metadata": {
                "labels": {
                    **pods.step_labels(step),
                    naming.NODE: "{{inputs.parameters.node}}",
                    naming.ITEM: "{{inputs.parameters.item}}",
                }
            },
            "volumes": pods.volumes(step),
            "retryStrategy": _retry(step),
            "container": pods.step_container(self._submission, step, *where),
        }
        if pods.is_delivered(step):
            template["initContainers"] = [pods.delivery(self._context)]
        if pods.is_driving(step):
            template["serviceAccountName"] = self._context.driver_service_account
            template["automountServiceAccountToken"] = True
        if promised:
            template["outputs"] = {"parameters": [_fact(name) for name in promised]}
        return template

    def _finish(self) -> Manifest:
        """Return the pod that writes down how the run ended, so that it is known though nobody watched."""
        return {
            "name": "finish",
            "metadata": {"labels": {naming.STEP: "finish"}},
            "volumes": pods.volumes(None),
            "retryStrategy": {"limit": "5", "retryPolicy": "Always", "backoff": {"duration": "2s", "factor": "2"}},
            "container": pods.own_container(
                self._context, "fairlead.worker.pods.finish", *pods.identity(self._submission)
            ),
        }


def _task_name(number: int) -> str:
    return f"n{number}"


def _fact(name: str) -> Manifest:
    missing = "false" if name.startswith("when") else "0"
    return {"name": name, "valueFrom": {"path": f"{pods.FACTS}/{name}", "default": missing}}


def _required(binding: graphs.Binding) -> set[int]:
    """Return the nodes without which a binding has no value."""
    if isinstance(binding, graphs.Literally | graphs.FirstOf):
        return set()
    if isinstance(binding, graphs.ListOf):
        return {need for item in binding.items for need in _required(item)}
    if isinstance(binding, graphs.DictOf):
        return {need for item in binding.items.values() for need in _required(item)}
    return {output.node for output in outputs_in(binding)}


def _retry(step: Step) -> Manifest:
    """Return one native counter for both budgets: a pod that knows its step's is spent ends with a code of its own."""
    retries = step.retries
    return {
        "limit": str(retries.user + retries.infrastructure),
        "retryPolicy": "Always",
        "expression": f"asInt(lastRetry.exitCode) != {SPENT}",
        "backoff": {"duration": retries.backoff, "factor": f"{retries.factor:g}", "cap": retries.backoff_max},
    }
