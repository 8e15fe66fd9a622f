"""Equal executions have different numbers, whoever asks first, and the same ones as the local engine gives."""

from __future__ import annotations

import random
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from engines.local.driving import SOURCE, LocalLaunch
from fairlead.specs.graphs import Graph, Literally
from fairlead.specs.reports import RunReport
from fairlead.store.backends import Folder
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import RunSpec
from fairlead.worker.keys import InstanceKeys, cache_key, fixed_parts, input_parts
from fairlead.worker.occurrences import occurrence
from fairlead.worker.resolving import Resolver
from fairlead.worker.upstream import Upstream
from store.playing import count_items, graph_of, take
from worker.pods import flows
from worker.pods.running import PodLaunch

GRAPHS = {
    "different inputs": graph_of(take("a", Literally(1)), take("b", Literally(2))),
    "equal calls": graph_of(take("a", Literally(1)), take("b", Literally(1)), take("c", Literally(1))),
    "equal items": graph_of(take("a", Literally([1, 2, 1, 1]), each=("x",), count=4)),
    "equal items and calls": graph_of(take("a", Literally([1, 2, 1]), each=("x",), count=3), take("b", Literally(1))),
    "two equal maps": graph_of(take("a", Literally([1, 1]), each=("x",), count=2), take("b", Literally([1, 1]), each=("x",), count=2)),
}  # fmt: skip


def spec_of(graph: Graph) -> RunSpec:
    return RunSpec(run="r", created=0.0, graph=graph, python="3.12")


def instances(graph: Graph) -> list[tuple[int, int]]:
    return [(number, item) for number, node in enumerate(graph.nodes) for item in range(node.count or 1)]


def pod_key(backend: Folder, spec: RunSpec, node: int, item: int) -> str:
    """The key that a pod of its own finds."""
    upstream = Upstream(backend, spec)
    resolver = Resolver(upstream, {}, {}, lambda ref: ())
    instance = upstream.instance(node, item)
    parts = input_parts(resolver.inputs(instance))
    earlier = occurrence(backend, spec, resolver, instance, lambda other: upstream.instance(node, other), parts)
    return cache_key(fixed_parts(instance.step, {}, spec.python), parts, earlier)


def engine_keys(spec: RunSpec) -> list[str]:
    progress = Progress(spec.graph, count_items)
    keys = InstanceKeys(spec, progress, Resolver(progress, {}, {}, lambda ref: ()))
    return [keys.of(each) for each in progress.take_ready()]


@pytest.mark.parametrize("name", GRAPHS)
def test_the_keys_are_those_of_the_local_engine_whatever_the_order(tmp_path: Path, name: str) -> None:
    spec = spec_of(GRAPHS[name])
    everyone = instances(spec.graph)
    orders = list(permutations(everyone))
    for number, order in enumerate(random.Random(0).sample(orders, min(6, len(orders)))):
        backend = Folder(tmp_path / str(number))
        found = {each: pod_key(backend, spec, *each) for each in order}
        assert sorted(found.values()) == sorted(engine_keys(spec))
        assert len(set(found.values())) == len(everyone)
        again = {each: pod_key(backend, spec, *each) for each in reversed(order)}
        assert again == found  # an instance that is tried again keeps its number


def test_nothing_is_asked_of_the_store_where_the_graph_shows_it(tmp_path: Path) -> None:
    for name in ("different inputs", "equal items"):
        spec = spec_of(GRAPHS[name])
        if name == "equal items":
            for each in instances(spec.graph):
                pod_key(Folder(tmp_path / "store"), spec, *each)
    assert not list((tmp_path / "store").glob("**/occurrences/*"))


CLAIMER = """
import sys
from pathlib import Path
from fairlead.specs.steps import FunctionStep
from fairlead.store.backends import Folder
from fairlead.store.progress import Instance
from fairlead.store.records import RunSpec
from fairlead.specs.graphs import Graph
from fairlead.worker.occurrences import claimed
step = FunctionStep(name="s", function="m:s")
spec = RunSpec(run="r", created=0.0, graph=Graph(flow="f", steps={}, nodes=()))
sys.stdin.read(1)
for index in range(int(sys.argv[2]), 60, 3):
    print(claimed(Folder(Path(sys.argv[1])), spec, Instance("s", index, step), {}, {"input x": "d"}))
"""


def test_many_that_claim_at_once_have_each_a_number_of_their_own(tmp_path: Path) -> None:
    claimers = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMER, str(tmp_path), str(first)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PYTHONPATH": SOURCE}, text=True,
        )
        for first in range(3)
    ]  # fmt: skip
    for each in claimers:
        assert each.stdin is not None
        each.stdin.write("go")
        each.stdin.flush()
    numbers = [int(line) for each in claimers for line in each.communicate(timeout=60)[0].split()]
    assert sorted(numbers) == list(range(60))


def test_a_driver_s_call_claims_its_number_too(tmp_path: Path) -> None:
    from fairlead.worker.occurrences import claimed

    spec, backend = spec_of(GRAPHS["different inputs"]), Folder(tmp_path)
    step = spec.graph.steps["take"]
    numbers = [claimed(backend, spec, Instance("take", index, step), {}, {"input x": "d"}) for index in (3, 1, 3)]
    assert numbers == [0, 1, 0]
    assert claimed(backend, spec, Instance("take", 4, step), {}, {"input x": "other"}) == 0


def digests(report: RunReport) -> list[str]:
    return sorted(ref.digest for step in report.steps for ref in step.artifacts)


@pytest.mark.parametrize("pods_first", [True, False])
def test_hits_are_shared_between_pods_and_the_local_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, pods_first: bool
) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    file = tmp_path / "project" / "pod_flows.py"
    file.parent.mkdir()
    file.write_bytes(Path(flows.__file__).read_bytes())
    with LocalLaunch(tmp_path / "home", capsys) as here:
        there = PodLaunch(tmp_path)
        one, other = (there, here) if pods_first else (here, there)
        first = one(file, "equals", {"n": 2}, use_cache=True).report
        assert [each.cached for each in first.steps] == [False] * 5
        second = other(file, "equals", {"n": 2}, use_cache=True).report
    assert [each.cached for each in second.steps] == [True] * 5
    assert digests(first) == digests(second)
