"""What steps with ranks become: the list of targets, and asking for one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead.cli.main import call
from fairlead.runs import contexts
from fairlead.specs.contexts import Context
from fairlead.targets.flow_table import FLOWS
from fairlead.targets.sweeps import table as sweeps
from fairlead.targets.training.table import targets

FLOW = """
from fairlead import flow, runtimes, step

@step(runtime=runtimes.torch(nodes=2))
def fit() -> int:
    return 1

@step(runtime=runtimes.jax(nodes=2))
def join() -> int:
    return 1

@flow
def main():
    return [fit(), join()]
"""
FAR = ("--store", "s3://nowhere/x", "--image", "python", "--worker-image", "fairlead")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    monkeypatch.delenv("FAIRLEAD_CONTEXT", raising=False)
    contexts.add(Context(name="far", store="s3://nowhere/x", image="python", worker_image="fairlead"))
    (tmp_path / "flow.py").write_text(FLOW)
    return str(tmp_path / "flow.py")


def rendered(file: str, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert call(["render", file, "--on", "far", *words]) == 0
    return list(yaml.safe_load_all(capsys.readouterr().out))


@pytest.mark.usefixtures("file")
def test_without_a_cluster_the_table_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["targets"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["target", "runs", "creates", "needs"]
    assert [line.split()[0] for line in out.splitlines()[1:]] == [*targets(), *sweeps.NAMES, *FLOWS]
    assert call(["targets", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert next(each for each in found if each["name"] == "job")["creates"] == ["Service", "Job"]


def test_what_is_asked_for_is_rendered_too_and_nothing_where_the_cluster_chooses(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [each["kind"] for each in rendered(file, capsys)] == ["Workflow"]
    asked = rendered(file, capsys, "--target", "torch=jobset", "--target", "jax=job")
    assert [each["kind"] for each in asked] == ["Workflow", "JobSet", "Service", "Job"]
    assert [each["kind"] for each in rendered(file, capsys, "--target", "jobset")] == ["Workflow", "JobSet", "JobSet"]
    assert call(["context", "add", "far", *FAR, "--target", "jax=job"]) == 0
    assert [each["kind"] for each in rendered(file, capsys)] == ["Workflow", "Service", "Job"]
    assert contexts.find("far").targets == {"jax": "job"}


def test_a_run_is_rendered_as_what_is_asked_for(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--as", "PipelineRun"], ["--target", "pipelinerun"], ["--target", "flow=pipelinerun"]):
        assert [each["kind"] for each in rendered(file, capsys, *words)] == ["PipelineRun"]
    assert call(["context", "add", "far", *FAR, "--target", "pipelinerun"]) == 0
    assert [each["kind"] for each in rendered(file, capsys)] == ["PipelineRun"]
    assert [each["kind"] for each in rendered(file, capsys, "--as", "Workflow")] == ["Workflow"]
    assert call(["render", file, "--on", "far", "--target", "flow=jobset"]) == 2
    assert "there is no target 'jobset' of whole runs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("jobst", "--target jobst: there is no target 'jobst'; did you mean 'jobset'"),
        ("torhc=job", "--target torhc=job: no target runs such a runtime; did you mean 'torch'"),
        ("torch=", "--target torch=: there is no target ''"),
    ],
)
def test_a_target_that_there_is_not_is_refused_with_the_nearest(
    file: str, given: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["run", file, "--on", "far", "--target", given]) == 2
    assert said in capsys.readouterr().err
    assert call(["context", "add", "other", *FAR, "--target", given]) == 2
    assert "other" not in contexts.names()


def test_a_target_needs_a_cluster(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", file, "--target", "job"]) == 2
    assert "--target needs a cluster" in capsys.readouterr().err
