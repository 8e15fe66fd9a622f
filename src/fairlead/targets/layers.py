"""Which packages a run needs as layers, and what of its workflow makes those that are not there.

A layer is made once for each lock and image by a pod of its own, which the steps that need it wait for. Where it fails
they start all the same: their pods find no layer and record why, as every step records how it ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fairlead.naming import digest_bytes
from fairlead.specs.contexts import Context, Submission
from fairlead.specs.graphs import Graph
from fairlead.specs.steps import Step, SweepStep
from fairlead.targets import templates
from fairlead.targets.orders import Manifest, Order

_MARK = 10


class Layer(NamedTuple):
    """The packages of a lock, for an image: its Python and platform decide what is installed."""

    lock: str
    image: str

    @property
    def name(self) -> str:
        """The name of its task and of its template, which no step's template can have."""
        return f"layer--{digest_bytes(self.lock.encode(), self.image.encode())[:_MARK]}"


def layer_of(step: Step, context: Context) -> Layer | None:
    """Return the layer that a step's own pods need, or None where it declares no packages."""
    lock = step.environment.locked
    return None if lock is None else Layer(lock, step.environment.image or context.image)


def layers_of(graph: Graph, key: str, context: Context) -> dict[Layer, str]:
    """Return the layers without which a node of a definition can't run, each with a definition that declares it."""
    step = graph.steps[key]
    keys = (key, step.trial) if isinstance(step, SweepStep) else (key,)
    found = ((layer_of(graph.steps[each], context), each) for each in keys if each in graph.steps)
    return {layer: each for layer, each in found if layer is not None}


def wanted(graph: Graph, nodes: Iterable[int], context: Context) -> dict[Layer, str]:
    """Return the layers that some nodes need, each with a definition that declares it."""
    found: dict[Layer, str] = {}
    for key in dict.fromkeys(graph.nodes[number].step for number in nodes):
        found = {**layers_of(graph, key, context), **found}
    return found


class LayerTasks:
    """What of a run makes the layers that are not there.

    Args:
        order: What is to be compiled.

    Attributes:
        missing: Them, each with a definition that declares it.
    """

    def __init__(self, order: Order) -> None:
        self._graph = order.graph
        self._submission: Submission = order.submission
        everything = wanted(order.graph, order.nodes, order.submission.context)
        self.missing = {layer: key for layer, key in everything.items() if layer not in order.layers}

    def templates(self) -> list[Manifest]:
        """Return their templates."""
        return [
            templates.layer(self._submission, each.name, each.image, f"--step={key}")
            for each, key in self.missing.items()
        ]

    def tasks(self) -> list[Manifest]:
        """Return their tasks, which wait for nothing."""
        return [{"name": each.name, "template": each.name} for each in self.missing]

    def conditions(self, key: str) -> list[str]:
        """Return what the tasks of a definition wait for: that they have ended."""
        return [f"({name}.Succeeded || {name}.Failed || {name}.Errored)" for name in self.names(key)]

    def names(self, key: str) -> list[str]:
        """Return the names of the tasks of layers that a definition needs."""
        needed = layers_of(self._graph, key, self._submission.context)
        return [each.name for each in needed if each in self.missing]
