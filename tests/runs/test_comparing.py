"""What differs between real runs, and what is said to explain a changed metric."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from fairlead.runs.comparing import RunDifference, compare_runs
from fairlead.store.opened import Store
from projects import Project

FLOW = """
    import fairlead
    import os
    from fairlead import flow, step

    @step
    def load(rows: int = 3) -> list[int]:
        return list(range(rows))

    @step
    def double(x: int) -> int:
        return x * 2

    @step
    def fit(xs: list[int], lr: float) -> float:
        score = sum(xs) * lr
        fairlead.log(accuracy=score)
        return score

    @step(cache=False)
    def measure() -> int:
        fairlead.log(level=float(os.environ.get("LEVEL", "1")))
        return int(os.environ.get("LEVEL", "1"))

    @step
    def follow(level: int) -> int:
        fairlead.log(followed=level)
        return level

    @flow
    def work(rows: int = 3, lr: float = 0.5, unused: int = 0):
        follow(measure())
        return fit(double.map(load(rows)), lr)
"""


class Done(NamedTuple):
    """The runs by what was done before each, and their store."""

    runs: dict[str, str]
    store: Store

    def diff(self, before: str, after: str) -> RunDifference:
        return compare_runs(self.store, self.runs[before], self.runs[after])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    project = Project(tmp_path_factory.mktemp("comparing"), {"flow.py": FLOW})
    runs = {"first": project.run(), "again": project.run(), "lr": project.run("--lr", "0.25", "--unused", "1")}
    runs["outside"] = project.run(LEVEL="2")
    project.edit("flow.py", "x * 2", "x * 3")
    runs["code"] = project.run("--rows", "4")
    project.edit("flow.py", "@step\ndef fit", '@step(variables={"MODE": "fast"})\ndef fit')
    runs["all"] = project.run("--rows", "5")
    return Done(runs, project.store)


def test_the_same_run_twice_differs_in_what_was_cached_only(done: Done) -> None:
    found = done.diff("first", "again")
    assert (found.causes, found.metrics, found.code, found.inputs) == ((), (), (), ())
    assert {each.step: each.cached_after for each in found.steps}["fit/0"]


def test_a_parameter_that_goes_into_the_step_comes_first_and_an_unused_one_last(done: Done) -> None:
    found = done.diff("first", "lr")
    assert [each.kind for each in found.causes] == ["parameter", "other-parameter"]
    assert found.causes[0].text == "parameter lr: 0.5 → 0.25, which goes into fit/0"
    (metric,) = found.metrics
    assert (metric.step, metric.name, metric.before, metric.after, metric.difference) == (
        "fit/0",
        "accuracy",
        3,
        1.5,
        -1.5,
    )
    assert {each.what: (each.before, each.after) for each in found.parameters} == {"lr": (0.5, 0.25), "unused": (0, 1)}


def test_code_upstream_is_named_once_for_all_items(done: Done) -> None:
    found = done.diff("outside", "code")
    kinds = [each.kind for each in found.causes]
    assert kinds.index("parameter") < kinds.index("code")
    (code,) = found.code
    assert (code.step, code.what) == ("double", "source of function double")
    cause = found.causes[kinds.index("code")]
    assert cause.text == "source of function double was edited, in double/0, double/1, double/2"
    assert cause.distance == 1


def test_an_input_whose_step_has_the_same_key_is_named_with_its_values(done: Done) -> None:
    found = done.diff("again", "outside")
    assert [each.kind for each in found.causes] == ["input", "unrecorded"]
    assert found.causes[0].text == "input level from step measure/0: 1 → 2, in follow/0"
    assert "measure/0" in found.causes[1].text


def test_the_order_is_parameter_code_data_environment(done: Done) -> None:
    found = done.diff("first", "all")
    kinds = [each.kind for each in found.causes]
    assert kinds == ["parameter", "code", "environment"]
    assert [each.what for each in found.environment] == ["environment variables"]


def test_a_step_that_one_run_does_not_have_is_listed(done: Done) -> None:
    steps = {each.step: each for each in done.diff("outside", "code").steps}
    assert (steps["double/3"].status_before, steps["double/3"].status_after) == (None, "succeeded")
    assert steps["load/0"].after_s is not None


def test_what_follows_from_another_change_is_no_cause(done: Done) -> None:
    found = done.diff("outside", "code")
    assert not any("input xs" in each.text for each in found.causes)
    assert any(each.what.startswith("input xs") for each in found.inputs)
