"""From a graph's bindings to an instance's inputs, once what it depends on has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from fairlead.specs import graphs
from fairlead.specs.values import Ref
from fairlead.store.backends import Backend
from fairlead.store.history import read_items
from fairlead.store.progress import Instance
from fairlead.store.records import Called, RunSpec
from fairlead.worker.tasks import DictInput, Given, Input, ListInput, Stored


class Nodes(Protocol):
    """What is known of the nodes that an instance takes its inputs from: they have ended."""

    graph: graphs.Graph

    def instances_of(self, node: int) -> list[Instance]:
        """Return the instances of a node, with what they produced."""

    def chosen(self, options: Iterable[graphs.Binding]) -> graphs.Binding | None:
        """Return the first of some bindings whose steps were not skipped."""


class Resolver:
    """Finds what the parameters of instances receive.

    Args:
        progress: The run's state.
        constants: The stored constants, by name.
        constant_items: For mapped constants, the list of their items.
        read_items: Reads the items that a reference lists.
    """

    def __init__(
        self,
        progress: Nodes,
        constants: Mapping[str, Ref],
        constant_items: Mapping[str, Ref],
        read_items: Callable[[Ref], tuple[Ref, ...]],
    ) -> None:
        self._progress = progress
        self._constants = constants
        self._constant_items = constant_items
        self._read_items = read_items
        self._items: dict[str, tuple[Ref, ...]] = {}
        self._gathered: dict[tuple[int, int, tuple[str | int, ...]], ListInput] = {}

    def forget(self) -> None:
        """Look again at what instances have produced: some of it may have changed."""
        self._gathered.clear()

    def inputs(self, instance: Instance) -> dict[str, Input]:
        """Return what each parameter of an instance receives."""
        if instance.call is not None:
            return inputs_of_call(instance.call)
        node = self._progress.graph.nodes[instance.node]
        return {
            name: self._item(binding, instance.item or 0) if name in node.each else self.whole(binding)
            for name, binding in node.inputs.items()
        }

    def whole(self, binding: graphs.Binding) -> Input:
        """Return what a binding stands for."""
        match binding:
            case graphs.Literally(value):
                return Given(value)
            case graphs.Constant(name):
                return Stored(self._constants[name])
            case graphs.Output(node, output, path):
                return self._output(node, output, path)
            case graphs.ListOf(items):
                return ListInput(tuple(self.whole(item) for item in items))
            case graphs.DictOf(items):
                return DictInput({key: self.whole(item) for key, item in items.items()})
            case graphs.FirstOf(options):
                chosen = self._progress.chosen(options)
                assert chosen is not None
                return self.whole(chosen)

    def _output(self, node: int, output: int, path: tuple[str | int, ...]) -> Input:
        instances = self._progress.instances_of(node)
        if not self._progress.graph.nodes[node].each:
            return _stored(instances[0], output, path)
        key = (node, output, path)
        if key not in self._gathered:  # the same list for everyone who takes it
            self._gathered[key] = ListInput(tuple(_stored(each, output, path) for each in instances))
        return self._gathered[key]

    def _item(self, binding: graphs.Binding, position: int) -> Input:
        match binding:
            case graphs.Literally(value):
                return Given(value[position])
            case graphs.Constant(name):
                return Stored(self._listed(self._constant_items[name])[position])
            case graphs.ListOf(items):
                return self.whole(items[position])
            case graphs.Output(node, output, path) if self._progress.graph.nodes[node].each:
                return _stored(self._progress.instances_of(node)[position], output, path)
            case graphs.Output(node, output, path):
                source = self._progress.graph.nodes[node]
                outcome = self._progress.instances_of(node)[0].outcome
                assert outcome is not None
                return Stored(self._listed(outcome.items[source.split.index(graphs.Export(output, path))])[position])
            case _:
                raise AssertionError(binding)

    def _listed(self, ref: Ref) -> tuple[Ref, ...]:
        if ref.digest not in self._items:
            self._items[ref.digest] = self._read_items(ref)
        return self._items[ref.digest]


def inputs_of_call(called: Called) -> dict[str, Input]:
    """Return what a driver's call received; a record that was read back holds it as plain mappings."""
    return {name: msgspec.convert(given, Input) for name, given in called.inputs.items()}


def resolver_of(backend: Backend, spec: RunSpec, progress: Nodes) -> Resolver:
    """Return what finds the inputs of a run's instances."""
    return Resolver(progress, spec.constants, spec.items, lambda ref: read_items(backend, ref))


def _stored(instance: Instance, output: int, path: tuple[str | int, ...]) -> Stored:
    assert instance.outcome is not None, instance
    return Stored(instance.outcome.outputs[output], path)


def refs_in(given: Input) -> list[Ref]:
    """Return every stored value that an input reads."""
    match given:
        case Stored(ref):
            return [ref]
        case ListInput(items):
            return [ref for item in items for ref in refs_in(item)]
        case DictInput(items):
            return [ref for item in items.values() for ref in refs_in(item)]
        case _:
            return []
