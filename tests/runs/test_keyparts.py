"""Key parts computed from a run's records are those that the run itself used."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from fairlead.runs.keyparts import RunKeys
from fairlead.store.layout import CACHE
from fairlead.worker.keys import cache_key, input_parts
from projects import Project

FLOW = """
    import datetime
    from fairlead import first_of, flow, runtimes, step

    @step
    def load(rows: int = 3) -> tuple[list[int], dict]:
        return list(range(rows)), {"rows": rows}

    @step
    def double(x: int, by: int = 2) -> int:
        return x * by

    @step
    def few(rows: list) -> str:
        return "few"

    @step
    def many(rows: list, when_: object) -> str:
        return "many"

    @step(runtime=runtimes.torch(processes_per_node=2), packages=["x==1"], variables={"A": "b"})
    def join(parts: dict, said: str) -> str:
        return said + str(parts)

    @flow(dynamic=True)
    def loop(start: int):
        x = start
        while x < 40:
            x = double(x, by=3)
        return x

    @flow
    def work(rows: int = 3):
        xs, about = load(rows)
        small = about["rows"] < 2
        said = first_of(few(xs, when=small), many(xs, datetime.date(2026, 1, 1), when=~small))
        twice = double.map(double.map(xs), by=5)
        days = few.map([[datetime.date(2026, 1, 1)], [2]])
        join({"a": [twice, xs], "b": {"c": days}}, said)
        loop(rows)
"""


class Done(NamedTuple):
    """The project, and its run."""

    project: Project
    keys: RunKeys


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    project = Project(tmp_path_factory.mktemp("keys"), {"flow.py": FLOW})
    return Done(project, RunKeys(project.store, project.run(file="flow.py:work")))


def test_the_cache_has_a_result_under_each_key(done: Done) -> None:
    folder = Path(done.project.home) / CACHE
    looked_at = 0
    for instance in done.keys.progress.instances.values():
        inputs = done.keys.inputs(instance)
        if instance.outcome is None or instance.step.cache == "off":
            continue
        assert inputs is not None
        key = cache_key(done.keys.fixed(instance), input_parts(inputs), 0)
        assert (folder / key).exists(), instance
        looked_at += 1
    assert looked_at > 12


def test_origins_name_steps_items_the_flow_and_drivers(done: Done) -> None:
    def origin(step: str, index: int, name: str) -> str:
        return done.keys.origin(done.keys.progress.instances[step, index], name)

    assert origin("load", 0, "rows") == "the flow"
    assert origin("many", 0, "rows") == "step load/0"
    assert origin("double", 2, "x") == "step load/0"
    assert origin("double-2", 1, "x") == "step double/1"
    assert origin("join", 0, "parts") == "step double-2, load/0, few"
    assert origin("join", 0, "said") == "step many/0"


def test_what_was_skipped_has_no_known_inputs_to_compare(done: Done) -> None:
    skipped = done.keys.progress.instances["few", 0]
    assert skipped.status == "skipped"
    assert done.keys.inputs(skipped) is not None  # what it would have received is there


def test_producers_of_an_item_are_its_own_item_only(done: Done) -> None:
    instance = done.keys.progress.instances["double-2", 1]
    assert [each.key for each in done.keys.producers(instance)] == [("double", 1)]
    seen: set[object] = set()
    assert [each.key for each in done.keys.producers(instance, seen)] == [("double", 1)]
    assert list(done.keys.producers(instance, seen)) == []
