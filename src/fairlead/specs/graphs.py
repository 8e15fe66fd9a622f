"""The spec of a traced flow: step definitions, the nodes that use them, and what flows between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from fairlead.errors import Fault, nearest
from fairlead.naming import name_fault
from fairlead.specs.conditions import Condition, Path, scalars
from fairlead.specs.steps import Step, step_faults

VERSION: Literal["fairlead/v1"] = "fairlead/v1"


class _Binding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="from"):
    pass


class Literally(_Binding, frozen=True, tag="value"):
    """A JSON value written in the graph."""

    value: Any


class Constant(_Binding, frozen=True, tag="constant"):
    """A value that is no JSON; it is stored when the graph is submitted, under this name."""

    name: str


class Output(_Binding, frozen=True, tag="output"):
    """What another node returned, or a part of it. Of a mapped node: the list of all its items' values."""

    node: int
    output: int = 0
    path: Path = ()


class ListOf(_Binding, frozen=True, tag="list"):
    """A list of bindings."""

    items: tuple[Binding, ...]


class DictOf(_Binding, frozen=True, tag="dict"):
    """A mapping of bindings."""

    items: dict[str, Binding]


class FirstOf(_Binding, frozen=True, tag="first-of"):
    """The first binding whose step was not skipped."""

    options: tuple[Binding, ...]


Binding = Literally | Constant | Output | ListOf | DictOf | FirstOf


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, array_like=True):
    """A part of an output: a scalar that a record carries for a condition, or a list that is mapped over."""

    output: int
    path: Path


class Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One use of a step. Its number is its position in the graph, and it refers to earlier ones only.

    Attributes:
        step: The key of the definition it uses.
        name: Its name in records and on the command line; the key where it is empty.
        index: The index of its first instance among those of its name.
        inputs: What each parameter receives.
        each: The parameters that are mapped: one instance per item. Empty for a plain call.
        count: The number of instances of a mapped node, or None where it is known at run time only.
        after: Nodes that must have succeeded first, without data.
        when: The condition under which it runs.
        exports: The scalars its record carries.
        split: The lists among its outputs that others map over: their items are stored one by one.
        group: The nested flow it stands in, ``outer/inner``.
    """

    step: str
    name: str = ""
    index: int = 0
    inputs: dict[str, Binding] = {}
    each: tuple[str, ...] = ()
    count: int | None = None
    after: tuple[int, ...] = ()
    when: Condition | None = None
    exports: tuple[Export, ...] = ()
    split: tuple[Export, ...] = ()
    group: str = ""

    @property
    def title(self) -> str:
        """The name it is known by."""
        return self.name or self.step


class Graph(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):  # the version is always written
    """A flow, traced: everything an engine or a target needs to know.

    Attributes:
        version: The version of this document's form.
        flow: The flow's name.
        parameters: The values the flow was called with, as far as they are JSON.
        steps: Step definitions by key: the step's name, or ``name+2`` for a second set of options of it.
        nodes: The nodes, in the order of the calls.
        result: What the flow returns.
    """

    version: Literal["fairlead/v1"] = VERSION
    flow: str
    parameters: dict[str, Any] = {}
    steps: dict[str, Step]
    nodes: tuple[Node, ...]
    result: Binding | None = None

    def step_of(self, node: Node) -> Step:
        """Return the definition that a node uses."""
        return self.steps[node.step]


def outputs_in(binding: Binding) -> Iterator[Output]:
    """Yield every output that a binding reads, in order."""
    match binding:
        case Output():
            yield binding
        case ListOf(items) | FirstOf(items):
            for item in items:
                yield from outputs_in(item)
        case DictOf(named):
            for item in named.values():
                yield from outputs_in(item)


def needs(node: Node) -> set[int]:
    """Return the numbers of all nodes that a node waits for."""
    found = set(node.after)
    for binding in node.inputs.values():
        if not isinstance(binding, Literally):
            found.update(output.node for output in outputs_in(binding))
    if node.when is not None:
        found.update(scalar.node for scalar in scalars(node.when))
    return found


def graph_faults(graph: Graph) -> Iterator[Fault]:
    """Yield everything wrong with a graph, with paths."""
    if fault := name_fault(graph.flow):
        yield Fault("flow", fault)
    for name, step in graph.steps.items():
        for found in step_faults(step):
            yield Fault(f"steps.{name}.{found.path}", found.message)
    counts = {name: len(step.outputs) for name, step in graph.steps.items()}
    for number, node in enumerate(graph.nodes):
        yield from _node_faults(graph, counts, number, node)
    if graph.result is not None:
        for output in outputs_in(graph.result):
            if not 0 <= output.node < len(graph.nodes):
                yield Fault("result", f"refers to node {output.node}, which does not exist")
            elif not 0 <= output.output < counts.get(graph.nodes[output.node].step, output.output + 1):
                yield Fault("result", f"node {output.node} has no output {output.output}")


def _node_faults(graph: Graph, counts: dict[str, int], number: int, node: Node) -> Iterator[Fault]:
    path = f"nodes[{number}]"
    step = graph.steps.get(node.step)
    if step is None:
        yield Fault(f"{path}.step", f"no step {node.step!r} is defined; {nearest(node.step, graph.steps)}")
        return
    names = {parameter.name for parameter in step.parameters}
    for name in node.inputs.keys() - names:
        yield Fault(
            f"{path}.inputs.{name}", f"step {node.step!r} has no such parameter; {nearest(name, names)}".rstrip("; ")
        )
    for parameter in step.parameters:
        if parameter.required and parameter.name not in node.inputs:
            yield Fault(f"{path}.inputs.{parameter.name}", f"step {node.step!r} needs it")
    for name in node.each:
        if name not in node.inputs:
            yield Fault(f"{path}.each", f"{name!r} is not among its inputs")
    for other in needs(node):
        if not 0 <= other < number:
            yield Fault(path, f"refers to node {other}, which is not before it")
    for name, binding in node.inputs.items():
        for output in () if isinstance(binding, Literally) else outputs_in(binding):
            known = counts.get(graph.nodes[output.node].step) if 0 <= output.node < number else None
            if known is not None and not 0 <= output.output < known:
                yield Fault(f"{path}.inputs.{name}", f"node {output.node} has no output {output.output}")
