"""Manifests that are kept beside the flows they come of."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from fairlead.runs.launching import load_flow
from fairlead.runs.rendering import RUN
from fairlead.specs import documents
from fairlead.specs.contexts import Context, Launch, Submission
from fairlead.specs.graphs import Graph
from fairlead.specs.runtimes import RankRuntime
from fairlead.specs.schedules import Schedule
from fairlead.targets import cron_workflow, job, workflow, workflow_template
from fairlead.targets.orders import Manifest, Order
from fairlead.targets.training import indexed_job
from fairlead.targets.training.target import Gang

REPOSITORY = Path(__file__).parents[2]
FLOWS = sorted([*REPOSITORY.glob("examples/*/flow.py"), *REPOSITORY.glob("tests/targets/flows/*/flow.py")])
CONTEXT = Context(
    name="cluster", namespace="ml", store="s3://artifacts/ml", store_secret="store", service_account="step",
    driver_service_account="driver", image="registry.example/python:3.12", worker_image="registry.example/fairlead:1",
    queue="team", labels={"team": "ml"},
)  # fmt: skip
LAUNCH = Launch(name="mapping", flow="mapping", digest="0" * 64, context=CONTEXT, labels={"tier": "gold"})
SCHEDULE = Schedule(
    name="mapping", cron="0 3 * * mon-fri", timezone="Europe/Berlin", concurrency="forbid", deadline_s=3600, kept=5,
    kept_failed=2,
)  # fmt: skip
REWRITE = "FAIRLEAD_REWRITE_GOLDENS"


def traced(file: Path) -> Graph:
    """Trace the flow of a file that bears the name of its folder."""
    _, flow = load_flow(str(file), file.parent.name)
    return flow.trace({}).graph


def submission(graph: Graph, context: Context = CONTEXT) -> Submission:
    return Submission(run=RUN, flow=graph.flow, context=context, namespace=context.namespace)


def workflow_of(graph: Graph, context: Context = CONTEXT) -> Manifest:
    """Compile all of a graph."""
    nodes = dict.fromkeys(range(len(graph.nodes)))
    return workflow.render(Order(submission(graph, context), graph, nodes))[0]


def jobs_of(graph: Graph) -> Iterator[Manifest]:
    """Compile each definition as a driver's call, and those with ranks as a gang."""
    for key, step in graph.steps.items():
        yield job.called(submission(graph), step, key, 0)
        if step.environment.locked:
            yield job.installing(submission(graph), step.environment.image or CONTEXT.image, key, 0)
        if isinstance(step.runtime, RankRuntime):
            yield from indexed_job.render(Gang(submission(graph), step, key, 0, 1))


def launching() -> dict[str, Manifest]:
    """Compile what launches a published flow, by the name of the target: its graph is in none of it."""
    return {
        "workflow_template": workflow_template.render(LAUNCH, CONTEXT.namespace),
        "cron_workflow": cron_workflow.render(LAUNCH, SCHEDULE, CONTEXT.namespace),
    }


def golden(file: Path, target: str) -> Path:
    return file.parent / f"{target}.golden.yaml"


def read(path: Path) -> list[dict[str, Any]]:
    """Read the objects of a golden file, as Kubernetes would."""
    return list(yaml.safe_load_all(path.read_text("utf-8")))


def compare(path: Path, manifests: list[Manifest]) -> None:
    """Hold objects against a golden file, or rewrite it where the environment asks for it and this is not CI."""
    text = "---\n".join(map(documents.to_yaml, manifests))
    if os.environ.get(REWRITE):
        assert os.environ.get("CI") != "true", f"{REWRITE} is for development; CI compares"
        path.write_text(text, "utf-8")
    kept = path.read_text("utf-8")
    changed = difflib.unified_diff(kept.splitlines(), text.splitlines(), str(path), "now", lineterm="", n=2)
    assert kept == text, f"{REWRITE}=1 rewrites it\n" + "\n".join(changed)
