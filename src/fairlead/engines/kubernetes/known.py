"""The runs that pods name, as their store knows them: what watchers of one run and of many ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from fairlead.errors import DamagedError, NotFoundError
from fairlead.specs.contexts import Submission
from fairlead.specs.graphs import Graph
from fairlead.store import claims
from fairlead.store.backends import Backend
from fairlead.store.history import attempts_of, read_spec
from fairlead.store.layout import Task, submission_key
from fairlead.store.records import AttemptRecord, RunSpec, decode
from fairlead.targets import naming

_MOST = 500
"""Runs that are kept in mind."""
_FORGET_S = 30.0
"""Seconds until a run that this store does not have is asked for again."""


class KnownRun(NamedTuple):
    """A run, and what it was submitted with."""

    spec: RunSpec
    submission: Submission


class KnownRuns:
    """Reads runs once. Threads share it.

    Args:
        backend: The store; runs of others are none of ours.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(self, backend: Backend, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.backend = backend
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], tuple[KnownRun | None, float]] = {}

    def of(self, pod: Mapping[str, Any]) -> KnownRun | None:
        """Return the run that a pod is of; None where this store has none of that name."""
        labels = pod["metadata"].get("labels") or {}
        generation = generation_of(pod)
        if naming.RUN not in labels or not generation:
            return None
        key = (labels[naming.RUN], generation)
        with self._lock:
            found, read = self._known.get(key, (None, -_FORGET_S))
            if found is None and self._clock() - read >= _FORGET_S:
                found = self._read(*key)
                self._known[key] = (found, self._clock())
                if len(self._known) > _MOST:
                    del self._known[next(iter(self._known))]
        return found

    def is_over(self, run: str, generation: int) -> bool:
        """Say whether it is written down how a submission of a run ended, or another one has taken its place."""
        claim = claims.newest_claim(self.backend, run)
        return claim is None or claim.number != generation or claims.has_ended(self.backend, run, claim)

    def _read(self, run: str, generation: int) -> KnownRun | None:
        key = submission_key(run, generation)
        try:
            return KnownRun(read_spec(self.backend, run), decode(self.backend.get(key), Submission, key=key))
        except (NotFoundError, DamagedError):
            return None


def generation_of(pod: Mapping[str, Any]) -> int:
    """Return the number of the claim that a pod's run was submitted under; 0 where the pod does not say."""
    text = str((pod["metadata"].get("labels") or {}).get(naming.GENERATION, ""))
    return int(text) if text.isdigit() else 0


def attempt_of(pod: Mapping[str, Any], graph: Graph) -> Task | None:
    """Return the instance that a pod is of, with the number of its attempt where it is one of a gang's.

    Returns:
        A task whose number is 0 where it is not known before the pod begins; None for what is no step's pod.
    """
    gang = (pod["metadata"].get("annotations") or {}).get(naming.GANG)
    if gang is not None:
        step, index, number = gang.rsplit(".", 2)
        return Task(step, int(index), int(number))
    found = naming.instance_of(pod, graph)
    return None if found is None else Task(*found, 0)


def read_records(backend: Backend, run: str, task: Task) -> Iterator[AttemptRecord]:
    """Yield the records of an instance's attempts, those of ranks too."""
    for key, found in attempts_of(backend, run, task.step, task.index):
        if found.number:  # 0 is what the cache had
            with suppress(NotFoundError):  # compacted since it was listed
                yield decode(backend.get(key), AttemptRecord, key=key)


def slim(pod: dict[str, Any]) -> dict[str, Any]:
    """Return what watchers need of a pod: neither its environment nor its commands, whose values are nobody's business.

    A pod of which only this is kept can't leak them either.
    """
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    containers = [
        {"name": each.get("name"), "resources": each.get("resources") or {}} for each in spec.get("containers") or ()
    ]
    first = [
        {"name": each.get("name"), "resources": each.get("resources") or {}}
        for each in spec.get("initContainers") or ()
    ]
    kept = ("nodeName", "nodeSelector", "affinity", "tolerations", "overhead")
    return {
        "metadata": {name: value for name, value in metadata.items() if name != "managedFields"},
        "spec": {name: spec[name] for name in kept if name in spec}
        | {"containers": containers, "initContainers": first},
        "status": pod.get("status") or {},
    }
