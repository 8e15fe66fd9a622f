"""Schedules on the command line: what is refused before a cluster is asked, and what is printed for Git."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead.cli.main import call
from fairlead.runs import contexts
from fairlead.specs.contexts import Context

FLOW = """
from fairlead import flow, step

@step
def numbers(n: int) -> list[int]:
    return list(range(n))

@flow
def main(n: int = 3, name: str = "") -> None:
    numbers(n)
"""
Called = tuple[int, str, str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a flow, and a context whose cluster and store nobody can reach."""
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    monkeypatch.delenv("FAIRLEAD_CONTEXT", raising=False)
    contexts.add(Context(name="far", store="s3://nowhere/x", image="python", worker_image="fairlead", namespace="ml"))
    (tmp_path / "flow.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fairlead(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Called]:
    def run(*words: str) -> Called:
        capsys.readouterr()
        code = call(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def rendered(fairlead: Callable[..., Called], *words: str) -> list[dict[str, Any]]:
    code, out, err = fairlead("render", "flow.py", "--on", "far", *words)
    assert code == 0, err
    return list(yaml.safe_load_all(out))


def test_a_schedule_is_printed_with_what_it_starts_and_says_that_it_must_be_published(fairlead) -> None:
    words = ("render", "flow.py", "--on", "far", "--as", "CronWorkflow", "--cron", "@daily", "--n", "5")
    first, second = fairlead(*words), fairlead(*words)
    assert first == second
    head, *_ = first[1].splitlines()
    assert head.startswith("# launches main/") and "fairlead publish FILE --on far" in head
    template, cron = yaml.safe_load_all(first[1])
    assert (template["kind"], cron["kind"]) == ("WorkflowTemplate", "CronWorkflow")
    assert template["metadata"]["name"] == cron["metadata"]["name"] == "main"
    assert cron["spec"]["workflowSpec"] == {"workflowTemplateRef": {"name": "main"}}


def test_parameters_labels_and_the_cache_are_those_of_the_launch(fairlead) -> None:
    words = ("--as", "WorkflowTemplate")
    (plain,) = rendered(fairlead, *words)
    for changed in (("--n", "4"), ("--label", "team=x"), ("--no-cache",), ("--name", "other")):
        (manifest,) = rendered(fairlead, *words, *changed)
        assert manifest != plain, changed
    assert rendered(fairlead, *words, "--name", "other")[0]["metadata"]["name"] == "other"
    (labelled,) = rendered(fairlead, *words, "--label", "team=x")
    assert labelled["metadata"]["labels"]["team"] == "x"


def test_every_option_of_a_schedule_is_a_field(fairlead) -> None:
    options = ("--cron", "0 3 * * *", "--timezone", "Asia/Tokyo", "--concurrency", "replace", "--deadline", "90m")
    _, cron = rendered(
        fairlead, "--as", "CronWorkflow", *options, "--suspended", "--keep", "9", "--keep-failed", "0"
    )  # fmt: skip
    assert cron["spec"] == {
        "schedules": ["0 3 * * *"], "timezone": "Asia/Tokyo", "concurrencyPolicy": "Replace",
        "startingDeadlineSeconds": 5400, "successfulJobsHistoryLimit": 9, "failedJobsHistoryLimit": 0, "suspend": True,
        "workflowSpec": {"workflowTemplateRef": {"name": "main"}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("render", "flow.py", "--on", "far", "--as", "CronWorkflow"), "needs --cron"),
        (("render", "flow.py", "--on", "far", "--as", "CronWorkflow", "--cron", "0 25 * * *"), "the hour '25'"),
        (("render", "flow.py", "--on", "far", "--diff"), "fairlead diff RUN RUN"),
        (
            ("schedule", "add", "flow.py", "--on", "far", "--cron", "@daily", "--timezone", "Mars"),
            "no time zone 'Mars'",
        ),
        (("schedule", "add", "flow.py", "--on", "far", "--cron", "@daily", "--deadline", "soon"), "no duration"),
        (("schedule", "add", "flow.py", "--on", "far", "--cron", "@daily", "--name", "A_B"), "name: is at most"),
        (("schedule", "add", "flow.py", "--on", "far"), "needs --cron"),
        (("schedule", "add", "--on", "far"), "needs a FILE"),
        (("schedule", "rm", "--on", "far"), "needs a NAME"),
        (("schedule", "ls", "--on", "far", "--n", "3"), "no option --n"),
        (("schedule", "ls"), "have cron do it"),
        (("publish", "flow.py"), "name a cluster"),
        (("publish", "--on", "far"), "needs a FILE"),
    ],
)
def test_what_can_t_be_is_refused_with_what_to_do(fairlead, words: tuple[str, ...], said: str) -> None:
    code, out, err = fairlead(*words)
    assert (code, out) == (2, "")
    assert said in err
