"""The tasks of a Workflow's graph: which there are, what each waits for, and how often it runs.

The order of tasks (``depends``) lets through whatever may run; whether it does is decided by the pod, with the rules of
every engine. Where one step alone decides a condition, its pod says so, and no pod starts.

Source: https://argo-workflows.readthedocs.io/en/release-3.7/enhanced-depends-logic/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from fairlead.errors import Fault, SpecError
from fairlead.specs import graphs
from fairlead.specs.branching import counted_by, deciding_facts, lists_of
from fairlead.specs.conditions import scalars
from fairlead.specs.graphs import Graph, Node, outputs_in
from fairlead.targets.orders import Manifest, Order

WHOLE = -1
"""What stands for a node's number where a pod goes through the parts of a whole graph."""


def lengths(order: Order) -> dict[int, int | None]:
    """Return how many instances each node of an order has; None for a list whose length is known at run time only.

    Raises:
        SpecError: Nothing will ever say how long a list is.
    """
    found = ((number, length_of(order, number)) for number in order.nodes)
    return {number: length if isinstance(length, int) else None for number, length in found}


def length_of(order: Order, number: int) -> int | tuple[int, str]:
    """Return how many instances a node has, or the node and the name of the fact that says it. Raises as `lengths`."""
    if not order.graph.nodes[number].each:
        return 1
    items = order.nodes[number]
    if items is not None:
        return len(items)
    if number in order.counts:
        return order.counts[number]
    try:
        return counted_by(order.graph, number)
    except LookupError as error:
        raise SpecError(f"flow {order.graph.flow!r}", [Fault(f"nodes[{number}].each", str(error))]) from error


class Tasks:
    """The tasks of one Workflow.

    Args:
        order: What is to run.
        names: The names of the templates of definitions.
        allowances: The most items of each mapped node that run here; the rest is left to parts.
        parts: The name of the template of the pod that creates parts.
        before: Returns what the tasks of a definition wait for beside the graph.
    """

    def __init__(
        self,
        order: Order,
        names: Mapping[str, str],
        allowances: Mapping[int, int],
        parts: str,
        before: Callable[[str], list[str]],
    ) -> None:
        self._order = order
        self._graph: Graph = order.graph
        self._names = names
        self._allowances = allowances
        self._parts = parts
        self._before = before

    def __iter__(self) -> Iterator[Manifest]:
        for number in self._order.nodes:
            yield from self._tasks_of(number)

    def facts_of(self, key: str) -> list[str]:
        """Return the names of what the pods of a definition tell the workflow."""
        return sorted(self._promised.get(key, ()), key=_position)

    def _tasks_of(self, number: int) -> Iterator[Manifest]:
        node = self._graph.nodes[number]
        depends = " && ".join([*self._before(node.step), *self._conditions(node)])
        common = {"depends": depends} if depends else {}
        when = self._when(number)
        if not node.each:
            yield self._task(number, "0") | common | _only(*when)
            return
        length, most = length_of(self._order, number), self._allowances[number]
        if self._is_cut(number):
            yield parts_task(number, self._parts) | common | _only(*when)
        elif isinstance(length, int):
            items = self._order.nodes[number]
            listed = {"withItems": list(map(str, items))} if items else {"withSequence": {"count": str(length)}}
            yield self._task(number, "{{item}}") | common | _only(*when) | listed
        else:
            few = f"{{{{=asInt({_expression(*length)}) > {most} ? '0' : {_expression(*length)}}}}}"
            yield self._task(number, "{{item}}") | common | _only(*when) | {"withSequence": {"count": few}}
            yield parts_task(number, self._parts) | common | _only(*when, f"{{{{{_reference(*length)}}}}} > {most}")

    def _is_cut(self, number: int) -> bool:
        """Say whether a mapped node is left to parts in any case: its list is long, or told outside this workflow."""
        length = length_of(self._order, number)
        if isinstance(length, int):
            return length > self._allowances[number]
        return length[0] not in self._order.nodes

    def _task(self, number: int, item: str) -> Manifest:
        parameters = [{"name": "node", "value": str(number)}, {"name": "item", "value": item}]
        return {
            "name": _task_name(number),
            "template": self._names[self._graph.nodes[number].step],
            "arguments": {"parameters": parameters},
        }

    def _when(self, number: int) -> tuple[str, ...]:
        if number not in self._facts:
            return ()
        return (f"{{{{{_reference(*self._facts[number])}}}}} == true",)

    def _conditions(self, node: Node) -> Iterator[str]:
        """Yield for each node that another waits for how it must have ended, wider rather than too narrow."""
        required = {scalar.node for scalar in scalars(node.when)} if node.when is not None else set()
        for binding in node.inputs.values():
            required.update(required_by(binding))
        for need in sorted(graphs.needs(node) & self._order.nodes.keys()):
            words = ["Succeeded"]
            if self._graph.nodes[need].each:  # some of its items may do, or it has none
                words += ["Failed", "Errored", "Skipped"]
            if need not in required:
                words += ["Skipped", "Omitted"]
            for name in self._tasks_for(need):
                found = " || ".join(f"{name}.{word}" for word in dict.fromkeys(words))
                yield f"({found})" if len(words) > 1 else found

    def _tasks_for(self, number: int) -> list[str]:
        """Return the names of the tasks that a node has become."""
        if not self._graph.nodes[number].each:
            return [_task_name(number)]
        if self._is_cut(number):
            return [_parts_name(number)]
        counted = isinstance(length_of(self._order, number), int)
        return [_task_name(number)] if counted else [_task_name(number), _parts_name(number)]

    @cached_property
    def _facts(self) -> dict[int, tuple[int, str]]:
        """For each conditional node that a node of this workflow decides: that node, and the name of its fact.

        Where a mapped node decides, there is a fact for each item and none for all.
        """
        return {
            number: (decides, fact)
            for number, (decides, fact) in deciding_facts(self._graph).items()
            if number in self._order.nodes and decides in self._order.nodes and not self._graph.nodes[decides].each
        }

    @cached_property
    def _promised(self) -> dict[str, set[str]]:
        promised: dict[str, set[str]] = {}
        for number in self._order.nodes:
            promised.setdefault(self._graph.nodes[number].step, set()).update(lists_of(self._graph, number))
        for decides, fact in self._facts.values():
            promised[self._graph.nodes[decides].step].add(fact)
        return promised


def parts_task(number: int, template: str) -> Manifest:
    """Return the task of a pod that creates the parts of a node, or of a whole graph."""
    parameters = [{"name": "node", "value": str(number)}]
    name = "parts" if number == WHOLE else _parts_name(number)
    return {"name": name, "template": template, "arguments": {"parameters": parameters}}


def _only(*when: str) -> Manifest:
    return {"when": " && ".join(when)} if when else {}


def _task_name(number: int) -> str:
    return f"n{number}"


def _parts_name(number: int) -> str:
    return f"n{number}-parts"


def _reference(source: int, fact: str) -> str:
    return f"tasks.{_task_name(source)}.outputs.parameters.{fact}"


def _expression(source: int, fact: str) -> str:
    """Return a fact as Argo's expressions read it, to which ``-`` is a minus."""
    return f"tasks.{_task_name(source)}.outputs.parameters['{fact}']"


def _position(fact: str) -> tuple[str, int]:
    kind, _, position = fact.partition("-")
    return kind, int(position)


def required_by(binding: graphs.Binding) -> set[int]:
    """Return the nodes without which a binding has no value."""
    if isinstance(binding, graphs.Literally | graphs.FirstOf):
        return set()
    if isinstance(binding, graphs.ListOf):
        return {need for item in binding.items for need in required_by(item)}
    if isinstance(binding, graphs.DictOf):
        return {need for item in binding.items.values() for need in required_by(item)}
    return {output.node for output in outputs_in(binding)}
