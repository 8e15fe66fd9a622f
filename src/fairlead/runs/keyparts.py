"""The parts of a run's cache keys, computed again from its records, and where each input came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from fairlead.errors import DamagedError, NotFoundError
from fairlead.specs import graphs
from fairlead.store.history import read_progress, read_spec
from fairlead.store.opened import Store
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import RunSpec
from fairlead.worker.keys import InstanceKeys, input_parts
from fairlead.worker.occurrences import numbers_of
from fairlead.worker.resolving import inputs_of_call, refs_in, resolver_of
from fairlead.worker.running import load_input
from fairlead.worker.tasks import Given, Input, Stored

_SHOWN_MAX = 60
_LOOKS_MAX = 200
"""Small stored values that are read to be shown."""


class RunKeys:
    """One run, read from the store, and the key parts of its instances.

    Args:
        store: The store that has the run.
        run: The run's id.
        known: What it is and how far it is, where that was read before.

    Raises:
        NotFoundError: There is no such run.
    """

    def __init__(self, store: Store, run: str, known: tuple[RunSpec, Progress] | None = None) -> None:
        self.run = run
        self.spec = known[0] if known else read_spec(store.backend, run)
        self.progress = known[1] if known else read_progress(store.backend, self.spec)
        self._resolver = resolver_of(store.backend, self.spec, self.progress)
        self._keys = InstanceKeys(self.spec, self.progress, self._resolver, numbers_of(store.backend, run))
        self._values = store.values
        self._looks = _LOOKS_MAX
        self._producers: dict[str, Instance] | None = None

    def inputs(self, instance: Instance) -> dict[str, Input] | None:
        """Return what an instance received, or None where that can't be known: what it waits for has not ended."""
        if not self._is_resolvable(instance):
            return None
        return self._resolver.inputs(instance)

    def fixed(self, instance: Instance) -> dict[str, str]:
        """Return the parts that an instance shares with all instances of its definition."""
        return self._keys.fixed(instance)[1]

    def parts(self, instance: Instance) -> dict[str, str] | None:
        """Return all parts of an instance's key by name, or None where its inputs are not known."""
        inputs = self.inputs(instance)
        return None if inputs is None else {**self.fixed(instance), **input_parts(inputs)}

    def named(self, name: str) -> list[Instance]:
        """Return the instances of a step, by index."""
        found = [each for each in self.progress.instances.values() if each.name == name]
        return sorted(found, key=lambda each: each.index)

    def origin(self, instance: Instance, name: str) -> str:
        """Say where an input came from: ``step load/0``, ``the flow``, ``the driver loop.0``."""
        node = self.progress.node_of(instance)
        if node is None:
            return self._origin_of_call(instance, name)
        binding = node.inputs.get(name)
        if binding is None:
            return "its default"
        outputs = [] if isinstance(binding, graphs.Literally) else list(graphs.outputs_in(binding))
        if isinstance(binding, graphs.FirstOf):
            chosen = self.progress.chosen(binding.options)
            outputs = list(graphs.outputs_in(chosen)) if chosen is not None else outputs
        item = instance.item if name in node.each else None
        titles = list(dict.fromkeys(self._title_of(each, item) for each in outputs))
        return f"step {', '.join(titles)}" if titles else "the flow"

    def producers(self, instance: Instance, seen: set[object] | None = None) -> Iterator[Instance]:
        """Yield the instances that an instance depends on directly.

        Args:
            instance: The instance.
            seen: What was yielded for other instances already, so that a walk takes each node once.
        """
        for source in self._sources(instance):
            if seen is None or source not in seen:
                if seen is not None:
                    seen.add(source)
                yield from self._instances_at(source)

    def shown(self, given: Input | None) -> str:
        """Write an input in a few words: the value where it is small, else the beginning of its digest."""
        if given is None:
            return "not given"
        if isinstance(given, Given):
            return _cut(repr(given.value))
        refs = refs_in(given)
        if len(refs) != 1:
            return f"{len(refs)} values"
        is_small = refs[0].format == "json" and refs[0].size_bytes <= _SHOWN_MAX
        if isinstance(given, Stored) and is_small and self._looks > 0:
            self._looks -= 1
            with suppress(DamagedError, NotFoundError):
                return _cut(repr(load_input(self._values, given)))
        return f"{refs[0].digest[:8]} ({refs[0].format})"

    def _sources(self, instance: Instance) -> Iterator[tuple[int, int | None] | tuple[str, int]]:
        """Yield nodes with an item or as a whole, and for a driver's call the instances by name and index."""
        node = self.progress.node_of(instance)
        if node is not None:
            followed = {each.node for name in node.each if isinstance(each := node.inputs[name], graphs.Output)}
            for number in sorted(graphs.needs(node)):
                mapped = bool(self.progress.graph.nodes[number].each)
                yield number, instance.item if mapped and number in followed else None
        elif instance.call is not None:
            driver, _, index = instance.call.parent.rpartition(".")
            yield driver, int(index)
            for given in inputs_of_call(instance.call).values():
                yield from (each.key for each in self._makers(given))

    def _instances_at(self, source: tuple[int, int | None] | tuple[str, int]) -> list[Instance]:
        place, item = source
        if isinstance(place, str):
            assert item is not None
            return [self.progress.instances[place, item]]
        found = self.progress.instances_of(place)
        return found if item is None else found[item : item + 1]

    def _is_resolvable(self, instance: Instance) -> bool:
        """Say whether everything that an instance reads is there."""
        node = self.progress.node_of(instance)
        if node is None:
            return instance.call is not None
        for name, binding in node.inputs.items():
            outputs = [] if isinstance(binding, graphs.Literally) else list(graphs.outputs_in(binding))
            if isinstance(binding, graphs.FirstOf):
                chosen = self.progress.chosen(binding.options)
                outputs = [] if chosen is None else list(graphs.outputs_in(chosen))
                if chosen is None:
                    return False
            item = instance.item if name in node.each else None
            if not all(self._is_made(each, item) for each in outputs):
                return False
        return True

    def _is_made(self, output: graphs.Output, item: int | None) -> bool:
        found = self.progress.instances_of(output.node)
        mapped = bool(self.progress.graph.nodes[output.node].each)
        if mapped and item is not None:
            return item < len(found) and found[item].outcome is not None
        return self.progress.is_expanded(output.node) and all(each.outcome is not None for each in found)

    def _title_of(self, output: graphs.Output, item: int | None) -> str:
        node = self.progress.graph.nodes[output.node]
        if not node.each:
            return f"{node.title}/{node.index}"
        return node.title if item is None else f"{node.title}/{node.index + item}"

    def _origin_of_call(self, instance: Instance, name: str) -> str:
        assert instance.call is not None
        given = inputs_of_call(instance.call).get(name)
        if given is not None and (makers := self._makers(given)):
            return "step " + ", ".join(dict.fromkeys(f"{each.name}/{each.index}" for each in makers))
        return f"the driver {instance.call.parent}"

    def _makers(self, given: Input) -> list[Instance]:
        known = self._by_digest()
        return [known[ref.digest] for ref in refs_in(given) if ref.digest in known]

    def _by_digest(self) -> dict[str, Instance]:
        if self._producers is None:
            self._producers = {}
            for instance in self.progress.instances.values():
                for ref in instance.outcome.outputs if instance.outcome else ():
                    self._producers.setdefault(ref.digest, instance)
        return self._producers


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 1]}…"
