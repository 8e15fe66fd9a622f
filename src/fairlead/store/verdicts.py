"""Whether a node of a graph can run, by what became of the nodes it depends on.

One reading for everyone: the engine that watches a whole run (`fairlead.store.progress`), and a pod that sees
only its own neighbours (`fairlead.worker.upstream`). Pure: nothing here reads a store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from fairlead.specs import graphs
from fairlead.specs.conditions import ConditionError, Scalar, evaluate, scalars
from fairlead.specs.graphs import Graph, Node, outputs_in
from fairlead.specs.status import StepStatus
from fairlead.specs.values import Ref
from fairlead.store.records import Outcome


class View(Protocol):
    """What is known of a run's nodes."""

    graph: Graph

    def status_of(self, node: int) -> StepStatus:
        """Return the status of a node as a whole, which has ended."""

    def barred(self, node: int) -> StepStatus | None:
        """Return why a mapped node has no items: its status where it never ran, else None."""

    def outcome_of(self, node: int) -> Outcome | None:
        """Return what a plain node produced, or None where it has not succeeded."""

    def count_of(self, node: int) -> int:
        """Return how many instances a mapped node has."""

    def count_items(self, ref: Ref) -> int:
        """Return how many items a list value has."""

    def constant_items(self, name: str) -> Ref:
        """Return the reference that lists the items of a mapped constant."""


def verdict(view: View, number: int) -> tuple[StepStatus | None, str | None]:
    """Say whether a node can't run, and why: what it depends on failed or was skipped, or its condition is false.

    Returns:
        The status it has instead of running, with the reason; or twice None where it runs.
    """
    node = view.graph.nodes[number]
    followed = streamed(view.graph, node)
    for need in sorted(graphs.needs(node) - followed):
        status = view.status_of(need)
        if status not in ("succeeded", "skipped"):
            return "cancelled" if status == "cancelled" else "blocked", f"{view.graph.nodes[need].title} {status}"
    for source in followed:
        barred = view.barred(source)
        if barred is not None:  # it has no items to follow
            passed: StepStatus = barred if barred in ("skipped", "cancelled") else "blocked"
            return passed, f"{view.graph.nodes[source].title} {barred}"
    for name, binding in node.inputs.items():
        if not isinstance(binding, graphs.Literally) and _is_skipped(view, binding, followed):
            return "skipped", f"what {name!r} comes from was skipped"
    return _by_condition(view, node)


def _by_condition(view: View, node: Node) -> tuple[StepStatus | None, str | None]:
    if node.when is None:
        return None, None
    if any(view.status_of(each.node) == "skipped" for each in scalars(node.when)):
        return "skipped", "what its condition reads was skipped"
    try:
        holds = evaluate(node.when, lambda scalar: exported(view.graph, scalar, view.outcome_of(scalar.node)))
    except (ConditionError, LookupError) as error:
        return "failed", f"its condition can't be evaluated: {error}"
    return (None, None) if holds else ("skipped", "its condition is false")


def _is_skipped(view: View, binding: graphs.Binding, followed: frozenset[int]) -> bool:
    if isinstance(binding, graphs.FirstOf):
        return chosen(view.status_of, binding.options) is None
    if isinstance(binding, graphs.ListOf):
        return any(_is_skipped(view, item, followed) for item in binding.items)
    if isinstance(binding, graphs.DictOf):
        return any(_is_skipped(view, item, followed) for item in binding.items.values())
    return any(
        output.node not in followed and view.status_of(output.node) == "skipped" for output in outputs_in(binding)
    )


def chosen(status_of: Callable[[int], StepStatus], options: Iterable[graphs.Binding]) -> graphs.Binding | None:
    """Return the first of some bindings whose steps were not skipped."""
    for option in options:
        if not any(status_of(output.node) == "skipped" for output in outputs_in(option)):
            return option
    return None


def exported(graph: Graph, scalar: Scalar, outcome: Outcome | None) -> Any:
    """Return a scalar that the record of its step carries.

    Raises:
        LookupError: The step did not export it.
    """
    node = graph.nodes[scalar.node]
    wanted = graphs.Export(scalar.output, scalar.path)
    position = node.exports.index(wanted) if wanted in node.exports else -1
    if outcome is None or not 0 <= position < len(outcome.exports):
        raise LookupError(f"{node.title} did not export it")
    return outcome.exports[position]


def counts(view: View, node: Node) -> set[int]:
    """Return the lengths of the lists that a node maps over: one, unless something is wrong."""
    found = set() if node.count is None else {node.count}
    for name in node.each:
        binding = node.inputs[name]
        if isinstance(binding, graphs.Output):
            found.add(_output_count(view, binding))
        elif node.count is not None:  # the tracer has counted what is written in the graph
            continue
        elif isinstance(binding, graphs.Literally):
            found.add(len(binding.value))
        elif isinstance(binding, graphs.Constant):
            found.add(view.count_items(view.constant_items(binding.name)))
        elif isinstance(binding, graphs.ListOf):
            found.add(len(binding.items))
    return found


def mismatch(lengths: Iterable[int]) -> str:
    """Say that a node maps over lists of different lengths."""
    return f"it maps over lists of different lengths: {' and '.join(map(str, sorted(lengths)))}"


def _output_count(view: View, output: graphs.Output) -> int:
    source = view.graph.nodes[output.node]
    if source.each:
        return view.count_of(output.node)
    outcome = view.outcome_of(output.node)
    position = source.split.index(graphs.Export(output.output, output.path))
    return view.count_items(outcome.items[position]) if outcome else 0


def streamed(graph: Graph, node: Node) -> frozenset[int]:
    """Return the mapped nodes that a mapped node follows item by item."""
    found = set()
    for name in node.each:
        binding = node.inputs[name]
        if isinstance(binding, graphs.Output) and graph.nodes[binding.node].each and not binding.path:
            found.add(binding.node)
    others = {
        output.node
        for name, binding in node.inputs.items()
        if name not in node.each and not isinstance(binding, graphs.Literally)
        for output in outputs_in(binding)
    }
    conditions = {scalar.node for scalar in scalars(node.when)} if node.when is not None else set()
    return frozenset(found - others - conditions - set(node.after))


def worst(statuses: set[StepStatus]) -> StepStatus:
    """Return the status of a node as a whole from those of its instances."""
    return next((status for status in _WORST_FIRST if status in statuses), "succeeded")


_WORST_FIRST: tuple[StepStatus, ...] = ("failed", "cancelled", "blocked", "skipped")
