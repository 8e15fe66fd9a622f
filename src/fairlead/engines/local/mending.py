"""Values that were found damaged when a step read them: which steps make them again, once while a run is driven."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgspec

from fairlead.errors import DamagedError
from fairlead.specs import graphs
from fairlead.store.backends import Backend
from fairlead.store.history import read_items
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import AttemptRecord


class Mending:
    """Finds who makes damaged values again, and who has to wait for it.

    Args:
        backend: The store.
        progress: How far the run is.
    """

    def __init__(self, backend: Backend, progress: Progress) -> None:
        self._backend = backend
        self._progress = progress
        self._begun: dict[tuple[str, int], frozenset[str]] = {}  # who makes again what it had returned
        self._waiting: dict[tuple[str, int], list[Instance]] = {}

    def begin(self, instance: Instance, record: AttemptRecord) -> list[Instance] | None:
        """Have an instance wait until the damaged value that it met is made again.

        Returns:
            The steps whose results must not count any more; none where others have met the value before.
            None where no value was damaged, or nothing in the run can make it again.
        """
        if record.damaged is None:
            return None
        if not all(map(self._progress.is_expanded, self._needs(instance))):
            return []  # what it takes is being made again, and it waits for that as it did at first
        makers = [each for each in self._sources(instance) if record.damaged in self._digests(each)]
        if not makers or any(each.key in self._begun and _is_settled(each, record.started) for each in makers):
            return None
        self._waiting[instance.key] = makers
        fresh = [each for each in makers if each.key not in self._begun]
        for each in fresh:
            self._begun[each.key] = self._digests(each)
        return fresh

    def explained(self, instance: Instance, record: AttemptRecord) -> AttemptRecord:
        """Return the record of an attempt that met a value which nothing makes again, with the reason."""
        assert record.error is not None
        known = any(record.damaged in self._digests(each) for each in self._sources(instance))
        why = "it was made again once, and is damaged again" if known else "no step of this run makes it again"
        line = f"{record.error.message}\n  but    {why}"
        return msgspec.structs.replace(record, error=msgspec.structs.replace(record.error, message=line))

    def waits(self, instance: Instance) -> bool:
        """Say whether an instance waits for a value that is being made again."""
        makers = self._waiting.get(instance.key)
        if makers is None:
            return False
        if not all(each.ended and self._progress.instances.get(each.key) is each for each in makers):
            return True
        del self._waiting[instance.key]
        return False

    def _needs(self, instance: Instance) -> set[int]:
        return graphs.needs(self._progress.graph.nodes[self._root(instance).node])

    def _sources(self, instance: Instance) -> Iterator[Instance]:
        """Yield what an instance may have its inputs from, and what has been called on the way."""
        root, needed = self._root(instance), self._needs(instance)
        for node in needed:
            yield from self._progress.instances_of(node)
        for called in self._progress.calls.values():
            origin = self._root(called)
            if called is not instance and (origin is root or origin.node in needed):
                yield called

    def _root(self, instance: Instance) -> Instance:
        """Return the instance of the graph that an instance was called by, directly or not."""
        while instance.call is not None:
            name, _, index = instance.call.parent.rpartition(".")
            instance = self._progress.instances[name, int(index)]
        return instance

    def _digests(self, instance: Instance) -> frozenset[str]:
        """Return the values that an instance has returned, and the items of lists."""
        if instance.outcome is None:
            return self._begun.get(instance.key, frozenset())
        found = {ref.digest for ref in (*instance.outcome.outputs, *instance.outcome.items)}
        for listed in instance.outcome.items:
            with suppress(DamagedError):  # told when somebody needs it
                found.update(item.digest for item in read_items(self._backend, listed))
        return frozenset(found)


def _is_settled(maker: Instance, time: float) -> bool:
    """Say whether a step had made a value again at some time, or won't."""
    return maker.ended and (maker.status != "succeeded" or (maker.finished or 0.0) <= time)
