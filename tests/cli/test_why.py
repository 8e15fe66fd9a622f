"""Asking why by a bundle: what people read, what programs read, and names that lead nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.cli.main import call
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import Meta, Snapshot, Unread
from insight import pictures as p


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    """Write a bundle of a job whose second pod ran out of memory before the first one failed."""
    job = p.job(conditions=[p.condition("Failed", "True", "BackoffLimitExceeded", "limit reached", at=p.LATER)])
    objects = [
        job,
        p.ended(137, "OOMKilled", name="fit-1", owner="j", at=p.BEGUN),
        p.ended(1, name="p", owner="j", at=p.LATER),
    ]
    meta = Meta(subject="job/j", unread=(Unread(what="nodes", why="you may not list them"),))
    bundles.write(Snapshot(meta, objects), tmp_path / "bundle.tgz")
    return str(tmp_path / "bundle.tgz")


def test_people_read_the_first_cause_where_it_is_what_was_seen_and_what_to_do(bundle: str, capsys: Any) -> None:
    assert call(["why", bundle]) == 0
    said = capsys.readouterr().out
    lines = [
        "Job team/j is failed",
        "first cause: out-of-memory (run)",
        "  where  Pod team/fit-1 container main",
        "  saw    status.containerStatuses[0].state.terminated.reason = OOMKilled",
        "  next   raise its resources.limits.memory (of a step: memory), or lower what it holds at once: batch size,"
        " workers of loaders",
        "also: exit-code (code, 60% sure)",
        "what follows from it",
        "  nodes: you may not list them",
    ]
    assert [line for line in lines if f"{line}\n" not in said] == []


def test_programs_read_causes_with_their_fields(bundle: str, capsys: Any) -> None:
    assert call(["why", f"{bundle}:pod/fit-1", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["subject"], found["state"], [each["id"] for each in found["causes"]]) == (
        "Pod team/fit-1", "failed", ["out-of-memory"],
    )  # fmt: skip
    assert found["causes"][0]["evidence"][0] == {
        "subject": "Pod team/fit-1", "path": "status.containerStatuses[0].state.terminated.exitCode", "value": "137",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("job/k", 4, "write KIND/NAME"),
        ("fit", 4, "alike: Pod team/fit-1"),
        ("deployment/j", 4, "there is no object 'deployment/j'"),
    ],
)
def test_a_name_that_is_not_there_is_refused_with_those_that_are_alike(
    bundle: str, name: str, code: int, said: str, capsys: Any
) -> None:
    assert call(["why", f"{bundle}:{name}"]) == code
    assert said in capsys.readouterr().err


def test_a_bundle_that_is_missing_is_named(tmp_path: Path, capsys: Any) -> None:
    assert call(["why", str(tmp_path / "none.tgz")]) == 2
    assert "none.tgz" in capsys.readouterr().err


def test_without_a_cluster_it_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path))
    assert call(["why", "job/j"]) == 2
    assert "no cluster is chosen" in capsys.readouterr().err


def test_what_was_not_read_for_one_reason_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    why = "you may not list them"
    unread = [
        {"what": "nodes", "why": why},
        {"what": "the log of p/main", "why": "it is gone"},
        {"what": "jobs", "why": why},
    ]
    (tmp_path / "objects").mkdir()
    (tmp_path / "meta.json").write_text(json.dumps({"version": 1, "subject": "p", "unread": unread}))
    (tmp_path / "objects/pods.json").write_text(json.dumps({"items": [p.ended(3)]}))
    assert call(["why", f"{tmp_path}/"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Pod team/p is failed\n\nfirst cause: exit-code (code, 60% sure)\n")
    assert said.endswith(f"not read\n  nodes, jobs: {why}\n  the log of p/main: it is gone\n")
