"""fairlead capacity: replays from files, and what it says of bad ones."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from fairlead.cli.main import call

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "replay.schema.json"
NODES = "sn,cpu_milli,memory_mib,gpu,model\n" + "".join(f"n{number},8000,1024,2,T4\n" for number in range(4))
PODS = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n" + "".join(
    f"p{number},1000,64,{number % 2 + 1},{1000 if number % 2 else 300 + 100 * (number % 3)},\n" for number in range(12)
)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "nodes.csv").write_text(NODES)
    (tmp_path / "pods.csv").write_text(PODS)
    return ["capacity", "replay", "--nodes", str(tmp_path / "nodes.csv"), "--workloads", str(tmp_path / "pods.csv")]


def test_a_replay_prints_a_curve_for_each_policy_whatever_the_processes(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    outs = []
    for processes in ("1", "2"):
        words = ["--policy", "fgd,random", "--inflate", "1.3", "--seeds", "1:4", "-o", "json", "--processes", processes]
        assert call([*files, *words]) == 0
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1]
    document = json.loads(outs[0])
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(document)
    assert list(document) == ["fgd", "random"]
    curve = document["fgd"]["gpu_allocation"]
    assert set(curve[0]) == {"arrivals_percent", "mean", "sd"}
    assert 120 < curve[-1]["arrivals_percent"] < 150
    assert [each["arrivals_percent"] for each in document["fgd"]["fragmentation"]] == [
        each["arrivals_percent"] for each in curve
    ]


def test_people_get_a_table(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call([*files, "--policy", "best-fit", "--seeds", "1:2"]) == 0
    head, *_, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["POLICY", "SEEDS", "ARRIVED", "ALLOCATED", "%", "FRAGMENTED", "%"]
    assert last.startswith("best-fit")


def test_bad_rows_are_refused_by_line_or_left_out_and_counted(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pods = Path(files[-1])
    pods.write_text(PODS + "bad,-1,1,0,0,\nworse,1,1,1,,\nlarge,1,1,9,1000,\n")
    assert call([*files, "--policy", "fgd", "--seeds", "1:2"]) == 2
    said = capsys.readouterr().err
    assert "line 14: cpu_milli: must be 0 to" in said
    assert "line 15: gpu_milli: is missing" in said
    assert "--skip-bad" in said
    assert call([*files, "--policy", "fgd", "--seeds", "1:2", "--skip-bad", "-o", "json"]) == 0
    said = capsys.readouterr().err
    assert f"{pods}: 2 bad rows left out" in said
    assert f"{pods} line 16: is larger than any node" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--policy", "fdg"], "did you mean 'fgd'"),
        (["--policy", ","], "--policy names none"),
        (["--policy", "fgd", "--seeds", "5:5"], "START:STOP"),
        (["--policy", "fgd", "--seeds", "x"], "START:STOP"),
        (["--policy", "fgd", "--inflate", "nan"], "--inflate must be above 0"),
        (["--policy", "fgd", "--processes", "0"], "--processes must be at least 1"),
    ],
)
def test_wrong_use_is_refused(
    files: list[str], capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert call([*files, *words]) == 2
    assert said in capsys.readouterr().err


def test_files_without_gpus_or_text_are_refused(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    nodes, pods = Path(files[3]), Path(files[5])
    pods.write_text(PODS.splitlines()[0] + "\np,1,1,0,0,\n")
    assert call([*files, "--policy", "fgd"]) == 2
    assert "no pod that asks for a GPU" in capsys.readouterr().err
    nodes.write_text("sn,cpu_milli,memory_mib,gpu,model\nn,8,8,0,\n")
    assert call([*files, "--policy", "fgd"]) == 2
    assert "no node with a GPU" in capsys.readouterr().err
    nodes.write_bytes(b"\xff\xfe\x00")
    assert call([*files, "--policy", "fgd"]) == 2
    assert "can't be read" in capsys.readouterr().err
