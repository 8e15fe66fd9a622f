"""A pod that sees only its neighbours reads a run as those do who see all of it."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given

from fairlead.specs.conditions import Compare, Scalar
from fairlead.specs.conditions import Constant as Fixed
from fairlead.specs.graphs import Graph, Literally, Output, needs
from fairlead.store.backends import Backend, Folder
from fairlead.store.history import read_items
from fairlead.store.layout import Task, attempt_key, object_key
from fairlead.store.progress import Instance
from fairlead.store.records import Cached, Ended, Observation, Outcome, RunSpec, encode
from fairlead.worker.resolving import Resolver
from fairlead.worker.upstream import Upstream
from store.playing import SEEDS, A, Play, ended, graph_of, graphs, ref, take
from store.test_progress import thorough

RUN = "20261124-080000-abcde"


def spec_of(graph: Graph) -> RunSpec:
    return RunSpec(run=RUN, created=0.0, graph=graph)


def write(backend: Backend, records: Iterable[Observation]) -> None:
    """Leave what workers leave: no more."""
    for record in records:
        if isinstance(record, Ended):
            made = record.record
            backend.create(attempt_key(RUN, Task(made.step, made.index, made.number)), encode(made))
        elif isinstance(record, Cached):
            backend.create(attempt_key(RUN, Task(record.step, record.index, 0)), encode(record))


@contextmanager
def written(records: Iterable[Observation], lists: Mapping[str, bytes] | None = None) -> Iterator[Backend]:
    with tempfile.TemporaryDirectory() as folder:
        backend = Folder(Path(folder))
        write(backend, records)
        for digest, data in (lists or {}).items():
            backend.create(object_key(digest), data)
        yield backend


def resolver(view: object, backend: Backend) -> Resolver:
    return Resolver(view, {}, {}, lambda listed: read_items(backend, listed))  # type: ignore[arg-type]  # either view


@thorough
@given(graphs(), SEEDS)
def test_it_agrees_with_progress_on_everything(graph: Graph, seed: int) -> None:
    play = Play(graph, seed, supersede=0).run()
    progress = play.progress
    with written(play.records, play.lists) as backend:
        numbers = list(range(len(graph.nodes)))
        random.Random(seed).shuffle(numbers)
        for number in numbers:
            pod = Upstream(backend, spec_of(graph))  # each pod begins with nothing
            known = progress.instances_of(number)
            assert pod.count_of(number) == len(known)
            for item, instance in enumerate(known):
                status, reason = pod.verdict_on_item(number, item)
                if status is None:
                    assert instance.attempts or instance.cached  # it ran
                    found = pod.instance(number, item)
                    assert (found.key, found.outcome, found.attempts) == (
                        instance.key,
                        instance.outcome,
                        instance.attempts,
                    )
                    assert resolver(pod, backend).inputs(found) == resolver(progress, backend).inputs(instance)
                else:
                    assert (status, reason) == (instance.status, instance.reason)
            assert pod.status_of(number) == progress.status_of(number)
            assert [each.status for each in pod.instances_of(number)] == [each.status for each in known]


@thorough
@given(graphs(), SEEDS)
def test_what_was_compacted_is_read_as_what_was_not(graph: Graph, seed: int) -> None:
    play = Play(graph, seed, supersede=0).run()
    half = play.records[: len(play.records) // 2]
    lists = play.lists
    with written(play.records, lists) as whole, written(play.records[len(half) :], lists) as later:
        for record in half:
            write(later, [record])
            for key in [
                entry.key for entry in later.list_after(f"runs/{RUN}/attempts/") if isinstance(record, Ended | Cached)
            ]:
                if key == _key_of(record):
                    later.delete(key)
        for number in range(len(graph.nodes)):
            one, other = Upstream(whole, spec_of(graph)), Upstream(later, spec_of(graph), half)
            assert one.status_of(number) == other.status_of(number)
            assert [each.attempts for each in one.instances_of(number)] == [
                each.attempts for each in other.instances_of(number)
            ]


def _key_of(record: Observation) -> str:
    if isinstance(record, Ended):
        return attempt_key(RUN, Task(record.record.step, record.record.index, record.record.number))
    assert isinstance(record, Cached)
    return attempt_key(RUN, Task(record.step, record.index, 0))


class Counting:
    """A back end that counts what is read."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.url = backend.url
        self.read: list[str] = []

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        self.read.append(key)
        return self._backend.get(key, start, length)

    def list_after(self, prefix: str, after: str = "", limit: int = 1000) -> list[object]:
        return self._backend.list_after(prefix, after, limit)  # type: ignore[return-value]  # entries


def test_a_pod_reads_its_neighbours_only() -> None:
    graph = graph_of(take("n0"), *(take(f"n{number}", Output(number - 1)) for number in range(1, 50)))
    steps = graph.steps["take"]
    records = [
        ended(Instance(f"n{number}", 0, steps), 1, "succeeded", outcome=Outcome(outputs=(ref("x"),)))
        for number in range(50)
    ]
    with written(records) as backend:
        counting = Counting(backend)
        pod = Upstream(counting, spec_of(graph))  # type: ignore[arg-type]  # a back end that is read
        assert pod.verdict_on_item(40, 0) == (None, None)
        resolver(pod, backend).inputs(pod.instance(40, 0))
        assert counting.read == [attempt_key(RUN, Task("n39", 0, 1)), attempt_key(RUN, Task("n40", 0, 1))]


@pytest.mark.parametrize(
    ("last", "status"), [("failed", "failed"), ("lost", "failed"), ("cancelled", "cancelled"), (None, "failed")]
)
def test_what_has_not_succeeded_by_now_has_failed(last: str | None, status: str) -> None:
    graph = graph_of(take("a"), take("b", Output(0)))
    records = [] if last is None else [ended(Instance("a", 0, graph.steps["take"]), 1, last, retry=last == "lost")]
    with written(records) as backend:
        pod = Upstream(backend, spec_of(graph))
        assert pod.status_of(0) == status
        assert pod.verdict(1) == ("cancelled" if status == "cancelled" else "blocked", f"a {status}")


def test_a_chain_of_skipped_nodes_is_followed_back_to_the_condition() -> None:
    when = Compare("gt", Scalar(0), Fixed(0.5))
    nodes = [take("a", exports=(A,)), take("b", when=when), take("c", Output(1)), take("d", Literally(1), after=(2,))]
    graph = graph_of(*nodes)
    records = [
        ended(
            Instance("a", 0, graph.steps["take"]), 1, "succeeded", outcome=Outcome(outputs=(ref("a"),), exports=(0.1,))
        )
    ]
    with written(records) as backend:
        pod = Upstream(backend, spec_of(graph))
        assert [pod.verdict(number)[0] for number in range(4)] == [None, "skipped", "skipped", None]
        assert needs(graph.nodes[3]) == {2}
