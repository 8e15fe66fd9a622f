"""fairlead capacity compare: each change of a file beside what there is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fairlead.cli.main import call
from fairlead.planner.nodes import Node
from fairlead.runs import simulating

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "simulation.schema.json"
NODES = "name,cpu_milli,memory_mib,gpus,model\nn,8000,1024,2,T4\n"
JOBS = "name,arrival_s,duration_s,cpu_milli,memory_mib,gpus\na,0,100,0,0,1\nb,0,100,0,0,2\nc,0,100,0,0,1\n"
CHANGES = """
[[change]]
name = "one more"
add = [{ like = "n" }]

[[change]]
name = "strict"
queueing = "StrictFIFO"
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    files = {"changes.toml": CHANGES, "nodes.csv": NODES, "jobs.csv": JOBS}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    changes, nodes, jobs = (str(tmp_path / name) for name in files)
    return ["capacity", "compare", changes, "--nodes", nodes, "--workloads", jobs, "--policy", "best-fit"]


def test_a_document_has_a_report_for_each_change_and_for_what_there_is(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([*words, "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(document)
    assert {name: each["makespan_s"] for name, each in document.items()} == {
        "as it is": 200, "one more": 100, "strict": 300,
    }  # fmt: skip


def test_people_get_a_table(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(words) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("CHANGE") and [row.split("  ")[0] for row in rows] == ["as it is", "one more", "strict"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("change", "is no TOML"),
        ("[[change]]\nnam = 'x'", "change[0].nam"),
        ("[[change]]\nname = 'x'\nremove = ['m']", "change[0].remove[0]: no node is called 'm'"),
        ("[[change]]\nname = 'x'\nremove = ['n']", "no node with a GPU is left"),
    ],
)
def test_bad_changes_are_refused_with_their_place(
    words: list[str], text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(words[2]).write_text(text)
    assert call(words) == 2
    assert said in capsys.readouterr().err


def test_one_policy_is_compared(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call([*words[:-1], "fgd,best-fit"]) == 2
    assert "compare wants one --policy" in capsys.readouterr().err


def test_an_interrupt_leaves_what_there_is(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate = simulating.simulate

    def interrupted(nodes: Sequence[Node], *more: Any) -> Any:
        if len(nodes) > 1:
            raise KeyboardInterrupt
        return simulate(nodes, *more)

    monkeypatch.setattr(simulating, "simulate", interrupted)
    assert call(words) == 130
    captured = capsys.readouterr()
    assert [row.split("  ")[0] for row in captured.out.splitlines()[1:]] == ["as it is"]
    assert "only a part of what was asked for" in captured.err
