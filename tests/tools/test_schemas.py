"""The published JSON Schemas: up to date, and real documents are valid by them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from projects import Project

ROOT = Path(__file__).parents[2]
FLOW = """
    import fairlead
    from fairlead import first_of, flow, runtimes, step

    @step(retries=1, cpu=1, memory="1Gi", variables={"MODE": "fast"}, timeout="1m")
    def load(rows: int = 3) -> tuple[list[int], dict]:
        fairlead.log(rows=rows)
        return list(range(rows)), {"rows": rows}

    @step(runtime=runtimes.jax(processes_per_node=2))
    def double(x: int) -> int:
        return 2 * x

    @step
    def few(rows: list) -> str:
        return "few"

    @step
    def many(rows: list, how: object = None) -> str:
        if len(rows) > 4:
            raise ValueError("too many")
        return "many"

    @flow
    def work(rows: int = 3):
        xs, about = load(rows)
        doubled = double.map(xs)
        chosen = first_of(few.options(when=about["rows"] < 2)(xs), many.options(when=about["rows"] >= 2)(xs, {1: 2}))
        few.after(doubled)([1])
        return chosen, doubled
"""


def valid(name: str, document: Any) -> Any:
    schema = json.loads((ROOT / "docs" / "schemas" / f"{name}.schema.json").read_text("utf-8"))
    validator = jsonschema.Draft202012Validator
    validator.check_schema(schema)
    validator(schema).validate(document)
    return document


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, {"flow.py": FLOW})


def test_the_files_are_what_the_types_give() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "schemas.py"), "--check"],
        env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), "run: python tools/schemas.py"


def test_documents_of_runs_are_valid(project: Project) -> None:
    ended = valid("run", project.document("run", "flow.py"))
    again = valid("run", project.document("run", "flow.py"))
    assert [each["status"] for each in (ended, again)] == ["succeeded", "succeeded"]
    assert valid("run", project.document("get", ended["run"])) == ended
    failed = valid("run", project.document("run", "flow.py", "--rows", "5", code=1))
    assert failed["status"] == "failed"
    assert (
        next(step for step in failed["steps"] if step["name"] == "many")["attempts"][0]["error"]["type"] == "ValueError"
    )
    listed = valid("runs", project.document("ps", "-a"))
    assert [each["run"] for each in listed] == [failed["run"], again["run"], ended["run"]]


def test_the_graph_of_a_flow_and_its_steps_are_valid(project: Project) -> None:
    code = (
        "import flow; from fairlead.specs.documents import to_json;"
        "print(to_json(flow.work.trace({'rows': 2}).graph).decode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project.folder, env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    graph = valid("graph", json.loads(done.stdout))
    for step in graph["steps"].values():
        valid("step", step)


def test_a_graph_with_an_unknown_field_is_not_valid() -> None:
    with pytest.raises(jsonschema.ValidationError, match="colour"):
        valid("graph", {"flow": "f", "steps": {}, "nodes": [], "colour": "red"})
