"""How many equal executions of a step came before one, for its cache key, without a driver that counts.

Two calls of a step with equal arguments are two executions, and have different keys. Where the graph alone shows
which calls are equal nothing is asked of the store; elsewhere each execution claims the first number that is free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fairlead.specs import graphs
from fairlead.store import verdicts
from fairlead.store.backends import Backend, list_all
from fairlead.store.layout import run_prefix
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import RunSpec
from fairlead.worker.keys import fixed_parts, input_parts, sameness
from fairlead.worker.resolving import Resolver, resolver_of


def occurrence(
    backend: Backend,
    spec: RunSpec,
    resolver: Resolver,
    instance: Instance,
    instance_at: Callable[[int], Instance],
    inputs: Mapping[str, str],
) -> int:
    """Return how many executions with equal parts count as earlier ones.

    Args:
        backend: The store.
        spec: What the run is.
        resolver: Finds inputs.
        instance: The instance.
        instance_at: Returns another item of the same node.
        inputs: The parts of its inputs.
    """
    node = spec.graph.nodes[instance.node]
    if not _has_rivals(spec, instance.node):
        if instance.item is None:
            return 0
        if not verdicts.streamed(spec.graph, node):
            earlier = (resolver.inputs(instance_at(item)) for item in range(instance.item))
            return sum(input_parts(each) == inputs for each in earlier)
    return claimed(backend, spec, instance, spec.sources.get(node.step, {}), inputs)


def _has_rivals(spec: RunSpec, number: int) -> bool:
    """Say whether another node computes the same from the same inputs."""
    own = _parts(spec, spec.graph.nodes[number])
    return any(other != number and _parts(spec, node) == own for other, node in enumerate(spec.graph.nodes))


def _parts(spec: RunSpec, node: graphs.Node) -> dict[str, str]:
    return fixed_parts(spec.graph.step_of(node), spec.sources.get(node.step, {}), spec.python)


def claimed(
    backend: Backend, spec: RunSpec, instance: Instance, source: Mapping[str, str], inputs: Mapping[str, str]
) -> int:
    """Claim the first number among equal executions that no other instance of the run has."""
    own = f"{instance.name}.{instance.index}".encode()
    same = sameness(fixed_parts(instance.step, source, spec.python), inputs)
    number = 0
    while True:
        key = f"{_prefix(spec.run)}{same}.{number:06}"
        if backend.create(key, own) or backend.get(key) == own:
            return number
        number += 1


def numbers_of(backend: Backend, run: str) -> dict[tuple[str, str], int]:
    """Return the numbers that a run's pods have claimed, by what equal executions share and the instance's name."""
    found = {}
    for entry in list_all(backend, _prefix(run)):
        same, _, number = entry.key.removeprefix(_prefix(run)).partition(".")
        found[same, backend.get(entry.key).decode()] = int(number)
    return found


def settle(backend: Backend, spec: RunSpec, progress: Progress) -> None:
    """Claim numbers for what has succeeded, of a run whose driver counted in its memory, before pods claim theirs."""
    resolver = resolver_of(backend, spec, progress)
    for each in progress.instances.values():
        if each.status != "succeeded" or each.step.cache == "off":
            continue
        if each.call is not None:
            claimed(backend, spec, each, each.call.source, input_parts(resolver.inputs(each)))
        elif _has_rivals(spec, each.node) or (
            each.item is not None and verdicts.streamed(spec.graph, spec.graph.nodes[each.node])
        ):
            source = spec.sources.get(spec.graph.nodes[each.node].step, {})
            claimed(backend, spec, each, source, input_parts(resolver.inputs(each)))


def _prefix(run: str) -> str:
    return f"{run_prefix(run)}occurrences/"
