"""Why steps wait, for those who may not read nodes and queues: a recorder that may writes it down, and `why` reads it.

What is written is what `why` says to somebody who sees all, of quota and places alone, and cut to the run's namespace.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from fairlead.engines.kubernetes.known import KnownRuns, attempt_of, generation_of
from fairlead.engines.kubernetes.rights import QUEUES
from fairlead.errors import NotFoundError
from fairlead.insight.findings import Layer
from fairlead.insight.nodes import PODS_ELSEWHERE
from fairlead.insight.rules.queueing import is_queued
from fairlead.insight.why import Answer, Cause, explain
from fairlead.kube import resources
from fairlead.kube.client import Client
from fairlead.naming import iso_time
from fairlead.runs.surveying import QUEUES_ELSEWHERE, survey_placed, survey_queues
from fairlead.snapshots.cutting import cut
from fairlead.snapshots.parts import Ref
from fairlead.snapshots.redacting import redacted_object
from fairlead.snapshots.snapshot import Meta, Snapshot, Thing, Unread
from fairlead.store.backends import Backend, list_all
from fairlead.store.history import read_spec
from fairlead.store.layout import waits_key, waits_prefix
from fairlead.store.records import Cited, WaitCause, Waits, decode, encode
from fairlead.targets import naming
from fairlead.targets.podcauses import is_unplaced

FRESH_S = 300.0
"""Seconds for which what was written down counts."""
_LOOK_S = 20.0
_CAUSES_MAX = 100
_LAYERS = ("quota", "placement")
_DECIDES = frozenset((
    "the cluster", PODS_ELSEWHERE, QUEUES_ELSEWHERE, *(each.plural for each in (resources.NODE, *QUEUES)),
))  # fmt: skip
"""What a snapshot says is missing, where somebody else may know why things wait."""


class _Waiting(NamedTuple):
    """An object of a step that waits, as a snapshot has it."""

    run: str
    generation: int
    step: str
    value: Mapping[str, Any]


class WaitKeeper:
    """Writes down why the steps of runs wait.

    Args:
        client: The cluster; it may list nodes and queues, and pods and Workloads of all namespaces.
        runs: The runs of a store.
        noted: Is told once of each thing that it may not read.
    """

    def __init__(self, client: Client, runs: KnownRuns, *, noted: Callable[[str], object] = lambda _: None) -> None:
        self._client = client
        self._runs = runs
        self._noted = noted
        self._gaps: set[Unread] = set()
        self._kept: set[str] = set()

    def keep(self, pods: Iterable[Mapping[str, Any]]) -> None:
        """Look at nodes and queues, where any step waits for them, and write down what they have to do with it.

        Args:
            pods: The pods of runs.

        Raises:
            ClusterError, StoreError: The cluster can't be read, or the store not written.
        """
        queues = survey_queues(self._client, within_s=_LOOK_S)
        held = [each for each in queues.of_kind("Workload") if is_queued(each)]
        own = {pod["metadata"]["uid"]: pod for pod in pods}
        asking = [(each.value, _metadata_of_pods(each, own)) for each in held]
        asking += [(pod, pod["metadata"]) for pod in own.values() if is_unplaced(pod)]
        waiting = list(self._waiting(asking))
        ended = self._kept - {waits_key(each.run, each.generation) for each in waiting}
        for key in ended:  # what they waited for is there
            self._runs.backend.delete(key)
        self._kept -= ended
        if not waiting:
            return
        seen = [queues]
        if any(each.value["kind"] == "Pod" for each in waiting):
            seen.append(survey_placed(self._client, "", within_s=_LOOK_S))
        shared = [each.value for snapshot in seen for each in snapshot.things.values()]
        gaps = tuple(gap for snapshot in seen for gap in snapshot.meta.unread)
        for gap in set(gaps) - self._gaps:
            self._noted(f"why steps wait is said without {gap.what}: {gap.why}")
        self._gaps |= set(gaps)
        spaces: dict[str, list[_Waiting]] = {}
        for each in waiting:
            spaces.setdefault(each.value["metadata"]["namespace"], []).append(each)
        for namespace, theirs in spaces.items():
            self._write(namespace, theirs, list(cut(shared, namespace)), gaps)

    def _waiting(self, asking: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Iterator[_Waiting]:
        """Yield what is a step's of a run that goes on, with that step as its owner; given with its pods' metadata."""
        over: dict[tuple[str, int], bool] = {}
        for value, metadata_of_pods in asking:
            pod = {"metadata": metadata_of_pods}
            known = self._runs.of(pod)
            task = attempt_of(pod, known.spec.graph) if known else None
            if known is None or task is None:
                continue
            run = known.spec.run, generation_of(pod)
            if run not in over:
                over[run] = self._runs.is_over(*run)
            if not over[run]:
                metadata = {**value["metadata"], "ownerReferences": [{"uid": f"{run[0]}/{task.step}"}]}
                owned = redacted_object({"kind": "Pod", **value, "metadata": metadata})
                yield _Waiting(*run, task.step, owned)

    def _write(
        self, namespace: str, waiting: list[_Waiting], shared: list[Mapping[str, Any]], gaps: tuple[Unread, ...]
    ) -> None:
        now = time.time()
        steps = {f"{each.run}/{each.step}": each for each in waiting}
        tops = [{"kind": "Step", "metadata": {"name": name, "uid": name}} for name in steps]
        snapshot = Snapshot(Meta(taken=iso_time(now), unread=gaps), [*tops, *(each.value for each in waiting), *shared])
        found: dict[tuple[str, int], dict[tuple[str, str], WaitCause]] = {}
        for name, each in steps.items():
            causes = found.setdefault((each.run, each.generation), {})
            for cause in explain(snapshot, snapshot.things[Ref("Step", "", name)]).causes:
                if cause.layer in _LAYERS:
                    alike = causes.get((cause.id, cause.message))
                    added = _cut(cause, each.step, namespace)
                    causes[cause.id, cause.message] = _joined(alike, added) if alike else added
        for (run, generation), causes in found.items():
            key, record = waits_key(run, generation), Waits(time=now, causes=tuple(causes.values())[:_CAUSES_MAX])
            self._runs.backend.put(key, encode(record))
            self._kept.add(key)


def with_waits(found: Answer, backend: Backend, run: str, step: str | None, *, now: float | None = None) -> Answer:
    """Return an answer with what a recorder has said of what whoever asks may not read.

    Args:
        found: The answer by what could be read.
        backend: The store.
        run: The run that is asked about, or that what is asked about is of.
        step: The step of it; None for the whole run.
        now: The time in seconds since 1970; for tests.
    """
    hidden = [each for each in found.unread if each.what in _DECIDES]
    waits_still = found.state == "pending" or (found.state == "running" and step is None)
    if not (hidden and waits_still) or (waits := _newest(backend, run)) is None:
        return found
    age_s = (time.time() if now is None else now) - waits.time
    said = f"of {iso_time(waits.time)}"
    if age_s > FRESH_S:
        gap = Unread(what=f"the recorder's answer {said}", why="it is too old; the recorder has not renewed it")
        return msgspec.structs.replace(found, unread=(*found.unread, gap))
    theirs = [each for each in waits.causes if step is None or step in each.steps]
    if not theirs:
        return found
    causes = [msgspec.convert(each, Cause, from_attributes=True) for each in theirs]
    causes += [each for each in found.causes if each.layer not in _LAYERS and each.id != "unknown"]
    causes.sort(key=lambda each: (each.confidence <= 0.5, each.since or "~", Layer[each.layer.upper()]))
    unread = [
        msgspec.structs.replace(each, why=f"{each.why}; the recorder may: this is its answer {said}")
        if each in hidden
        else each
        for each in found.unread
    ]
    return msgspec.structs.replace(found, causes=tuple(causes), unread=tuple(unread))


def run_of(thing: Thing, backend: Backend) -> tuple[str, str | None] | None:
    """Return the run that an object of a cluster is of, and the step where it is a step's pod; None for others."""
    run = thing.mapping("metadata.labels").get(naming.RUN)
    if run is None:
        return None
    try:
        spec = read_spec(backend, str(run))
    except NotFoundError:  # another store has it
        return None
    task = attempt_of(thing.value, spec.graph) if thing.ref.kind == "Pod" else None
    return str(run), task.step if task else None


def _newest(backend: Backend, run: str) -> Waits | None:
    keys = [entry.key for entry in list_all(backend, waits_prefix(run))]
    with suppress(NotFoundError):  # the run has ended meanwhile
        return decode(backend.get(keys[-1]), Waits, key=keys[-1]) if keys else None
    return None


def _metadata_of_pods(workload: Thing, pods: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the metadata of the pods that a Workload is for: of the one that it was made of, or of their template."""
    owner = next((pods[uid] for uid in workload.owners if uid in pods), None)
    if owner is not None:
        return owner["metadata"]  # type: ignore[no-any-return]  # an object's
    return next((each.mapping("template.metadata") for each in workload.each("spec.podSets")), {})


def _cut(cause: Cause, step: str, namespace: str) -> WaitCause:
    """Return a cause with that evidence alone that is in the run's namespace."""
    own = (each for each in cause.evidence if each.subject.partition(" ")[2].startswith(f"{namespace}/"))
    evidence = [Cited(subject=each.subject, path=each.path, value=each.value) for each in own]
    return msgspec.convert(
        {**msgspec.structs.asdict(cause), "steps": (step,), "evidence": evidence}, WaitCause, from_attributes=True
    )


def _joined(one: WaitCause, other: WaitCause) -> WaitCause:
    """Return the cause that two groups of steps have, with what shows it first."""
    first = min(one, other, key=lambda each: each.since or "~")
    return msgspec.structs.replace(first, steps=(*one.steps, *other.steps), count=one.count + other.count)
