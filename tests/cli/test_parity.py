"""``fairlead parity``: what of a flow is not honoured, where, and what happens instead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.cli.main import call
from fairlead.runs import contexts
from fairlead.specs.contexts import Context

FLOW = """
from fairlead import Retries, flow, step

@step
def plain(x: int) -> int:
    return x

@step(spot=True, retries=Retries(user=2, factor=1.5))
def asking(x: int) -> int:
    return x

@flow
def simple(x: int = 1):
    return plain(x)

@flow
def main(x: int = 1):
    return asking(plain(x))
"""


@pytest.fixture
def parity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    monkeypatch.delenv("FAIRLEAD_CONTEXT", raising=False)
    contexts.add(Context(name="far", store="s3://nowhere/x", image="python", worker_image="fairlead"))
    contexts.add(Context(name="bare", store="s3://nowhere/x"))
    file = tmp_path / "flow.py"
    file.write_text(FLOW)

    def run(flow: str, *words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = call(["parity", f"{file}:{flow}", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_flow_that_is_the_same_everywhere_ends_with_0(parity: Any) -> None:
    assert parity("simple") == (0, "flow simple is the same everywhere\n", "")
    assert parity("simple", "--on", "far")[0] == 0


def test_each_line_has_step_engine_field_and_what_happens_instead(parity: Any) -> None:
    code, out, err = parity("main", "--on", "far")
    assert (code, err) == (1, "")
    head, *lines = out.splitlines()
    assert head.split() == ["step", "engine", "asks", "for", "instead"]
    assert [line.split()[:4] for line in lines] == [
        ["asking", "kubernetes", "retries.factor", "1.5"],
        ["asking", "local", "spot", "this"],
    ]


def test_a_context_adds_what_it_refuses_and_the_document_says_so(parity: Any) -> None:
    code, out, _ = parity("simple", "--on", "bare", "-o", "json")
    document = json.loads(out)
    assert (code, document["honoured"], document["context"]) == (1, False, "bare")
    assert [(each["step"], each["refused"]) for each in document["lines"]] == [("", True), ("plain", True)]
    assert "--worker-image" in document["lines"][0]["asks"]


def test_an_unknown_context_is_a_wrong_use(parity: Any) -> None:
    assert parity("simple", "--on", "nowhere")[0] == 2
