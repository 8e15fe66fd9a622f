"""Why steps were executed or found in the cache, in real runs of a small project that is edited between them."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from fairlead.errors import NotFoundError
from fairlead.runs.explaining import InstanceExplanation, explain
from fairlead.store.opened import Store
from projects import Project

FLOW = """
    import os
    import features
    from fairlead import flow, step

    SCALE = 2

    @step(cache=False)
    def load(rows: int = 4) -> dict[str, int]:
        names = [f"n{i}" for i in range(rows)]
        names.sort(reverse="DOWN" in os.environ)
        return {name: int(name[1:]) for name in names}

    @step
    def prepare(table: dict) -> int:
        return features.prepare(sum(table.values()))

    @step
    def square(x: int) -> int:
        return x * x * SCALE

    @step
    def fit(n: int, lr: float = 0.1) -> float:
        return n * lr

    @step
    def moody() -> str:
        return os.environ["FAIRLEAD_RUN"]

    @flow
    def work(rows: int = 4, lr: float = 0.1):
        moody()
        square.map([1, 2, 3])
        return fit(prepare(load(rows)), lr)
"""


class Done(NamedTuple):
    """The runs by what was done before each, and their store."""

    runs: dict[str, str]
    store: Store

    def why(self, run: str, step: str, index: int = 0) -> InstanceExplanation:
        return explain(self.store, self.runs[run], step, index).instances[0]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    project = Project(
        tmp_path_factory.mktemp("explaining"), {"flow.py": FLOW, "features.py": "def prepare(n):\n    return n + 1\n"}
    )
    runs = {"first": project.run(), "again": project.run(DOWN="yes"), "lr": project.run("--lr", "0.2", DOWN="yes")}
    project.edit("features.py", "n + 1", "n + 2")
    runs["module"] = project.run()
    project.edit("flow.py", "SCALE = 2", "SCALE = 3")
    runs["global"] = project.run()
    project.edit("flow.py", "return n * lr", "return n * lr + 0")
    runs["function"] = project.run()
    runs["no-cache"] = project.run("--no-cache")
    project.edit("flow.py", "@step\ndef moody", '@step(packages=["x==1"])\ndef moody')
    runs["packages"] = project.run()
    return Done(runs, project.store)


def test_the_first_execution_has_nothing_to_be_compared_with(done: Done) -> None:
    assert done.why("first", "fit").cause == "first"


def test_a_hit_names_the_run_that_computed_the_result(done: Done) -> None:
    found = done.why("again", "square", 1)
    assert (found.cached, found.cause, found.source) == (True, "found", f"{done.runs['first']}/square/1")


def test_a_step_without_a_cache_says_so(done: Done) -> None:
    assert done.why("again", "load").cause == "cache-off"
    assert done.why("no-cache", "fit").cause == "no-cache"


def test_a_parameter_is_named_with_both_values(done: Done) -> None:
    found = done.why("lr", "fit")
    (change,) = found.differences
    assert (change.part, change.before, change.after, change.origin) == ("input lr", "0.1", "0.2", "the flow")
    assert found.compared == f"{done.runs['again']}/fit/0"


@pytest.mark.parametrize(
    ("run", "step", "what"),
    [
        ("module", "prepare", "project module features"),
        ("global", "square", "global SCALE of module flow"),
        ("function", "fit", "source of function fit"),
        ("packages", "moody", "packages"),
    ],
)
def test_what_was_edited_is_named(done: Done, run: str, step: str, what: str) -> None:
    found = done.why(run, step)
    assert found.cause == "key-differs"
    assert what in [change.what for change in found.differences]


def test_an_input_that_differs_names_the_step_it_comes_from(done: Done) -> None:
    changes = {change.part: change for change in done.why("module", "fit").differences}
    change = changes["input n"]
    assert (change.before, change.after, change.origin, change.values) == ("7", "8", "step prepare/0", "different")


def test_values_that_are_equal_in_other_bytes_are_counted(done: Done) -> None:
    found = explain(done.store, done.runs["again"], "prepare")
    (change,) = found.instances[0].differences
    assert (change.part, change.values) == ("input table", "equal")
    assert found.equal_values == 1
    assert "equal values" in found.instances[0].reason


def test_an_execution_with_the_same_key_and_other_bytes_is_counted(done: Done) -> None:
    found = explain(done.store, done.runs["no-cache"], "moody")
    assert found.unstable == 1
    assert len(found.instances[0].unstable[0]) == 64


def test_all_instances_are_counted_by_cause(done: Done) -> None:
    found = explain(done.store, done.runs["again"], "square")
    assert found.counts == {"found": 3}


def test_what_does_not_exist_is_named(done: Done) -> None:
    with pytest.raises(NotFoundError, match=r"no step 'fitt'(?s:.)*did you mean 'fit'"):
        explain(done.store, done.runs["first"], "fitt")
    with pytest.raises(NotFoundError, match="no index 7"):
        explain(done.store, done.runs["first"], "fit", 7)
