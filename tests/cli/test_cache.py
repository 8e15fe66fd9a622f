"""``fairlead cache explain``: what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects import Project

FLOW = """
    import os
    from fairlead import flow, step

    @step(cache=False)
    def load() -> dict[str, int]:
        return {"b": 2, "a": 1} if "DOWN" in os.environ else {"a": 1, "b": 2}

    @step
    def count(table: dict, factor: int) -> int:
        return len(table) * factor

    @step
    def square(x: int) -> int:
        return x * x

    @flow
    def work(factor: int = 2):
        square.map([1, 2, 3])
        return count(load(), factor)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, {"flow.py": FLOW})


def test_it_says_what_differs_and_where_it_came_from(project: Project) -> None:
    first, second = project.run(), project.run("--factor", "3", DOWN="yes")
    shown = project.call("cache", "explain", f"{second}/count")
    assert shown.returncode == 0
    assert shown.stdout.splitlines() == [
        f"run {second}   step count   1 key-differs",
        "",
        f"count/0: succeeded; its cache key is not that of {first}/count/0",
        "  DIFFERS       BEFORE            NOW               FROM",
        "  input factor  2                 3                 the flow",
        "  input table   {'a': 1, 'b': 2}  {'b': 2, 'a': 1}  step load/0, the values are equal",
        f"  next   fairlead cache explain {second}/load/0",
        "",
        "1 inputs have other bytes than before, although their values are equal.",
        "Their steps return values without a stable form, such as sets: return sorted lists, arrays or tables.",
    ]
    together = project.call("cache", "explain", "latest/square").stdout
    assert (
        f"square/0 and 2 more alike: cached; its result was found in the cache, computed by {first}/square/0"
        in together
    )


def test_the_document_has_every_instance(project: Project) -> None:
    run = project.run()
    found = project.document("cache", "explain", f"{run}/square")
    assert found["counts"] == {"first": 3}
    assert [each["index"] for each in found["instances"]] == [0, 1, 2]


def test_what_names_no_step_is_refused(project: Project) -> None:
    project.run()
    assert project.call("cache", "explain", "latest").returncode == 2
    assert project.call("cache", "explain", "latest/nothing").returncode == 4
    assert project.call("cache", "explain", "latest/square/9").returncode == 4
