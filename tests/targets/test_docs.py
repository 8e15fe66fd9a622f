"""What the pages of docs/targets show is part of what their flows compile to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.pages import FOLDER, File, blocks
from fairlead.runs.launching import load_flow
from fairlead.specs.contexts import Context
from fairlead.specs.runtimes import RankRuntime
from fairlead.targets import job
from fairlead.targets.workflow import OPENED
from targets.goldens import submission, workflow_of

_SHOWN = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _holds(whole: Any, part: Any) -> bool:
    """Whether a document has all that a part of it shows: of lists, some items."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and _holds(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(_holds(each, item) for each in whole) for item in part)
    return bool(whole == part)


def _objects(page: Path, folder: Path) -> list[dict[str, Any]]:
    """Compile the first flow of a page: the workflow, and every definition as a call and as a gang."""
    file = next(block for block in blocks(page) if isinstance(block, File))
    (folder / file.name).write_text(file.text)
    _, flow = load_flow(str(folder / file.name), None)
    graph = flow.trace({}).graph
    context = Context(
        name="gpu-prod", store="s3://bucket/ml", image="python:3.12", worker_image="fairlead-worker:1", namespace="ml", queue="team"
    )  # fmt: skip
    place = submission(graph, context)
    found = [workflow_of(graph, context)]
    for key, step in graph.steps.items():
        found.append(job.called(place, step, key, 0))
        found += job.gang(place, step, key, 0, 1) if isinstance(step.runtime, RankRuntime) else []
    return found


@pytest.mark.parametrize("name", ["workflow", "job"])
def test_what_a_page_shows_is_what_its_flow_compiles_to(name: str, tmp_path: Path) -> None:
    page = FOLDER / f"targets/{name}.md"
    objects = _objects(page, tmp_path)
    shown = [part for text in _SHOWN.findall(page.read_text("utf-8")) for part in yaml.safe_load_all(text)]
    assert len(shown) >= 2
    for part in shown:
        assert any(_holds(each, part) for each in objects), yaml.safe_dump(part)


def test_every_field_that_an_overlay_can_change_is_named() -> None:
    text = (FOLDER / "targets/workflow.md").read_text("utf-8") + (FOLDER / "targets/job.md").read_text("utf-8")
    for field in OPENED:
        if field.startswith("spec."):
            assert f"`{field.split('.')[1]}`" in text, field
    for field in job.OPENED:
        if field.startswith("spec.") and "template" not in field:
            assert f"`{field}`" in text, field
