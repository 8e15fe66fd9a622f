"""The SDK of Kubeflow Pipelines takes every package as it is, and its local runner goes through one.

No Kubeflow Pipelines is installed for this: what its server makes of a package is not seen here. Run by
``make test-components``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from engines.local.driving import SOURCE
from fairlead.runs.launching import load_flow
from fairlead.runs.publishing import publish
from fairlead.runs.reporting import read_report
from fairlead.runs.results import flow_result
from fairlead.specs import documents
from fairlead.specs.contexts import Launch
from fairlead.specs.reports import RunReport
from fairlead.store.catalog import latest_by_run
from fairlead.store.opened import Store
from fairlead.targets import pipeline_spec
from targets.goldens import CONTEXT, REPOSITORY
from testbed.operators import python_environment

pytestmark = [pytest.mark.components("kfp"), pytest.mark.timeout(1200)]

LOCALLY = Path(__file__).with_name("locally.py")
FLOW = Path(__file__).with_name("flow.py")
PACKAGES = [*REPOSITORY.glob("tests/targets/**/pipeline_spec.golden.yaml")]


def sdk(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script in the environment of the SDK, which has nothing of Fairlead."""
    python = python_environment("kubeflow-pipelines") / "bin/python"
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([python, LOCALLY, *arguments], env=outside, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.name)
def test_the_sdk_reads_a_package_without_loss_and_its_compiler_writes_the_same(path: Path) -> None:
    done = sdk("check", str(path))
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    pipeline, platform = yaml.safe_load_all(path.read_text("utf-8"))
    assert _plain(read["pipeline"]) == _plain(pipeline)
    assert _plain(read["deployment"]) == _plain(pipeline["deploymentSpec"])
    assert _plain(read["platform"]) == _plain(platform)
    configs = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert _plain(read["configs"]) == _plain(configs)
    assert _plain(read["again"]) == _plain([pipeline, platform])


def _plain(document: Any) -> Any:
    """Return a document without what says nothing: fields with their defaults, and the forms of numbers."""
    if isinstance(document, dict):
        found = {name: _plain(each) for name, each in document.items()}
        return {name: each for name, each in found.items() if each not in (False, "", [])}
    if isinstance(document, list):
        return [_plain(each) for each in document]
    return float(document) if isinstance(document, int) and not isinstance(document, bool) else document


class Job:
    """A job that the local runner has gone through, and the run that it has made."""

    def __init__(self, done: subprocess.CompletedProcess[str], folder: Path, store: Store) -> None:
        self.code = done.returncode
        self.said = done.stdout + done.stderr
        lines = (folder / "tasks").read_text().splitlines()
        self.tasks: list[tuple[int, list[str]]] = [tuple(json.loads(each)) for each in lines]
        (run,) = latest_by_run(store.backend)
        self.report: RunReport = read_report(store.backend, run)
        self.store = store

    def statuses(self) -> dict[str, list[str]]:
        """Return the statuses of the instances of every step."""
        found: dict[str, list[str]] = {}
        for each in self.report.steps:
            found.setdefault(each.name, []).append(each.status)
        return found


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Job]:
    """Publishes a flow, compiles it, and has the local runner go through it."""
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    delivered, folder = tmp_path / "fairlead", tmp_path / "job"
    (delivered / f"cp{sys.version_info.major}{sys.version_info.minor}").mkdir(parents=True)
    (delivered / "any").symlink_to(SOURCE)
    (delivered / "start.py").symlink_to(Path(SOURCE) / "fairlead/worker/pods/start.py")
    folder.mkdir()
    store = Store(str(tmp_path / "store"), tmp_path / "host")

    def run(file: Path, flow: str, **parameters: Any) -> Job:
        project, found = load_flow(str(file), flow)
        traced = found.trace(parameters)
        publication = publish(project, traced, store).publication
        context = msgspec.structs.replace(CONTEXT, store=store.url, store_secret="")
        launch = Launch(name="digits", flow=publication.flow, digest=publication.digest, context=context)
        package = folder / "package.yaml"
        made = pipeline_spec.render(traced.graph, launch, "ml")
        package.write_text("---\n".join(map(documents.to_yaml, made)), "utf-8")
        start = json.dumps(["env", f"PYTHONPATH={SOURCE}", sys.executable, str(delivered / "start.py")])
        return Job(sdk("run", str(package), start, str(folder)), folder, store)

    return run


def test_a_flow_is_gone_through_list_by_list_and_branch_by_branch(job: Callable[..., Job]) -> None:
    done = job(FLOW, "pipelines", rows=300, count=3, wanted=0.5)
    assert (done.code, done.report.status) == (0, "succeeded"), done.said[-4000:]
    assert done.statuses() == {
        "load": ["succeeded"], "settings": ["succeeded"], "fit": ["succeeded"] * 2, "fit-2": ["succeeded"] * 3, "best": ["succeeded"],
        "known": ["succeeded"], "praise": ["succeeded"], "mail": ["succeeded"], "complain": ["skipped"],
        "sorry": ["skipped"], "good": ["succeeded"], "poor": ["skipped"], "keep": ["succeeded"],
    }  # fmt: skip
    assert str(flow_result(done.store, done.report.run)).startswith("good: 0.")
    nodes = [each for _, arguments in done.tasks for each in arguments if each.startswith("--node=")]
    assert len(nodes) == 15  # `complain` has none; `poor` has decided in its own, as `keep` comes after it in any case


def test_a_step_that_fails_is_tried_again_and_the_last_task_writes_down_how_the_run_ended(
    job: Callable[..., Job], tmp_path: Path
) -> None:
    file = tmp_path / "project" / "failing.py"
    file.parent.mkdir()
    (file.parent / "pyproject.toml").touch()
    file.write_text(FAILING)
    done = job(file, "failing")
    assert (done.code, done.report.status) == (1, "failed"), done.said[-4000:]
    assert done.statuses() == {"broken": ["failed"], "never": ["blocked"]}
    (broken,) = (each for each in done.report.steps if each.name == "broken")
    assert [each.status for each in broken.attempts] == ["failed", "failed"]
    assert done.tasks[-1][1][:2] == ["fairlead.worker.pods.job", "finish"]


FAILING = """
from fairlead import flow, step
from fairlead.specs.steps import Retries

@step(retries=Retries(user=1, infrastructure=0, backoff="100ms"))
def broken() -> int:
    raise ValueError("no luck")

@step
def never(x: int) -> int:
    return x

@flow
def failing() -> int:
    return never(broken())
"""
