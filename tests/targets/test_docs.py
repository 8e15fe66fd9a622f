"""What the pages of docs/targets show is part of what their flows compile to."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from docs.pages import FOLDER, Command, File, blocks
from fairlead.cli import schedule_options
from fairlead.errors import SpecError
from fairlead.runs import contexts
from fairlead.runs.launching import load_flow
from fairlead.runs.rendering import CLUSTERS
from fairlead.specs.contexts import Context, Launch
from fairlead.specs.runtimes import RankRuntime, kind_of
from fairlead.specs.schedules import Schedule
from fairlead.targets import cron_workflow, job, pipeline_spec, workflow_template
from fairlead.targets.hardware import claims
from fairlead.targets.sweeps import katib_experiment
from fairlead.targets.sweeps.table import placed
from fairlead.targets.training import ray_job
from fairlead.targets.training.gang_scheduling import pod_group
from fairlead.targets.training.standing_cluster import Declared
from fairlead.targets.training.table import targets
from fairlead.targets.training.target import Gang, Resource
from fairlead.targets.workflow import OPENED
from targets.goldens import submission, workflow_of
from targets.tekton import pipeline_run_of

_SHOWN = re.compile(r"^```yaml\n(?!# )(.*?)^```$", re.MULTILINE | re.DOTALL)


def _holds(whole: Any, part: Any) -> bool:
    """Whether a document has all that a part of it shows: of lists, some items."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and _holds(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(_holds(each, item) for each in whole) for item in part)
    return bool(whole == part)


def _objects(page: Path, folder: Path) -> list[dict[str, Any]]:
    """Compile the flows of a page: the workflow, and every definition as a call and as a gang."""
    context = Context(
        name="gpu-prod", store="s3://bucket/ml", image="python:3.12", worker_image="fairlead-worker:1", namespace="ml", queue="team"
    )  # fmt: skip
    files = [block for block in blocks(page) if isinstance(block, File)]
    for file in files:
        (folder / file.name).write_text(file.text)
    if (folder / "hardware.yaml").exists():
        context = msgspec.structs.replace(context, hardware=contexts.read_hardware(str(folder / "hardware.yaml")))
    found: list[dict[str, Any]] = []
    for file in files:
        if file.flows:
            with suppress(SpecError):  # a page may show what is refused, too
                found += _compiled(folder / file.name, page, context)
        elif "sweep(" in file.text:
            found += _swept(folder / file.name, context)
    return found


def _swept(file: Path, context: Context) -> Iterator[dict[str, Any]]:
    """Compile the sweep of a file, which is called `search`."""
    _, flow = load_flow(str(file), "search")
    graph = flow.trace({}).graph
    yield katib_experiment.render(submission(graph, context), graph, 0)
    step = placed(graph, {"sweep": "raytune"}).step_of(graph.nodes[0])
    yield from ray_job.render(Gang(submission(graph, context), step, step.name, 0, 1))


def _compiled(file: Path, page: Path, context: Context) -> Iterator[dict[str, Any]]:
    _, flow = load_flow(str(file), None)
    graph = flow.trace({}).graph
    place = submission(graph, context)
    yield workflow_of(graph, context)
    with suppress(SpecError):
        yield pipeline_run_of(graph, context)
    yield from claims(place, graph.steps.values())
    for key, step in graph.steps.items():
        yield job.called(place, step, key, 0)
        for target in targets().values():
            if kind_of(step.runtime) in target.runtimes:
                yield from target.render(Gang(place, step, key, 0, 1))
        for runtime, standing in CLUSTERS.values():
            if kind_of(step.runtime) == runtime:
                yield standing(Declared(place, step, "shared"))
        if isinstance(step.runtime, RankRuntime):
            volcano = msgspec.structs.replace(context, queue="", gang_scheduler="volcano research")
            yield from pod_group(Gang(submission(graph, volcano), step, key, 0, 1))
    launch = Launch(name=graph.flow, flow=graph.flow, digest="0" * 64, context=context)
    yield workflow_template.render(launch, "ml")
    yield cron_workflow.render(launch, _schedule(page, graph.flow), "ml")
    if page.stem == "pipeline_spec":
        yield from pipeline_spec.render(graph, launch, "ml")


def _schedule(page: Path, flow: str) -> Schedule:
    """Read the schedule that a page's command gives."""
    commands = [shlex.split(block.text) for block in blocks(page) if isinstance(block, Command)]
    words = next((each for each in commands if "--cron" in each), ["--cron", "@daily"])
    parser = argparse.ArgumentParser()
    schedule_options.add_schedule_options(parser)
    return schedule_options.read_schedule(parser.parse_known_args(words)[0], flow)


PAGES = [
    "hardware",
    *(
        f"targets/{name}"
        for name in (
            "workflow",
            "pipeline_run",
            "job",
            "workflow_template",
            "cron_workflow",
            "pipeline_spec",
            "training",
            "frameworks",
            "sweeps",
        )
    ),
]


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_shows_is_what_its_flow_compiles_to(name: str, tmp_path: Path) -> None:
    page = FOLDER / f"{name}.md"
    objects = _objects(page, tmp_path)
    shown = [part for text in _SHOWN.findall(page.read_text("utf-8")) for part in yaml.safe_load_all(text)]
    assert shown
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


def test_every_target_of_gangs_stands_in_a_table_with_what_it_needs_and_drivers_may_do() -> None:
    text = "".join((FOLDER / f"targets/{name}.md").read_text("utf-8") for name in ("training", "frameworks"))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    assert rows == [
        [f"`{name}`", ", ".join(sorted(target.runtimes)), target.component, "; ".join(map(_right, target.resources))]
        for name, target in targets().items()
    ]


def _right(resource: Resource) -> str:
    return f"`{resource.plural}`" + (f" of `{resource.group}`" if resource.group else "")
