"""fairlead capacity simulate: jobs and nodes from files, and what it says of bad ones."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from fairlead.cli.main import call
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import Snapshot
from insight import pictures as p

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "simulation.schema.json"
NODES = "name,cpu_milli,memory_mib,gpus,model,count\nn,8000,1024,2,T4,2\n"
JOBS = "name,arrival_s,duration_s,cpu_milli,memory_mib,gpus\na,0,3600,1000,64,2\nb,60,3600,1000,64,2\nc,90,60,0,0,2\n"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "nodes.csv").write_text(NODES)
    (tmp_path / "jobs.csv").write_text(JOBS)
    return ["capacity", "simulate", "--nodes", str(tmp_path / "nodes.csv"), "--workloads", str(tmp_path / "jobs.csv")]


def test_a_document_has_a_report_for_each_policy(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    outs = []
    for _ in range(2):
        assert call([*files, "--policy", "fgd,random", "-o", "json"]) == 0
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1]
    document = json.loads(outs[0])
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(document)
    assert list(document) == ["fgd", "random"]
    report = document["fgd"]
    assert report["wait"] == {"mean": 1170.0, "p50": 0, "p90": 3510, "p99": 3510, "most": 3510}
    assert report["makespan_s"] == 3660 and report["gpu_allocation_most"] == 100.0
    assert len(report["over_time"]) == 99 and report["over_time"][0]["from_s"] == 0


def test_people_get_a_table_and_the_names_of_those_that_can_never_begin(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = Path(files[-1])
    jobs.write_text(JOBS + "".join(f"large{number},100,60,0,0,3\n" for number in range(7)))
    assert call([*files, "--policy", "best-fit", "--queueing", "StrictFIFO"]) == 0
    captured = capsys.readouterr()
    head, row, said = captured.out.splitlines()
    assert head.split()[:2] == ["POLICY", "JOBS"] and row.split()[:3] == ["best-fit", "10", "7"]
    assert said == "best-fit: can never begin on these nodes: large0, large1, large2, large3, large4 and 2 more"
    assert "jobs.csv line 5: is larger than any node" in captured.err


def test_bad_rows_are_refused_by_line_or_left_out_and_counted(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(files[-1]).write_text(JOBS + "d,80,60,0,0,1\n")
    assert call([*files, "--policy", "fgd"]) == 2
    assert "line 5: arrival_s: is before that of a row above: 80 < 90; sort the rows by it" in capsys.readouterr().err
    assert call([*files, "--policy", "fgd", "--skip-bad"]) == 0
    assert "jobs.csv: 1 bad row left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--policy", "fdg"], "did you mean 'fgd'"),
        (["--policy", ","], "--policy names none"),
        (["--policy", "fgd", "--queueing", "strictfifo"], "there is no queueing strategy 'strictfifo'"),
        (["--policy", "fgd", "--format", "openb"], "has no column"),
    ],
)
def test_what_can_not_be_is_said(
    files: list[str], words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([*files, *words]) == 2
    assert said in capsys.readouterr().err


def test_there_must_be_gpus_and_jobs(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(files[-1]).write_text(JOBS.splitlines()[0] + "\n")
    assert call([*files, "--policy", "fgd"]) == 2
    assert "there is no job" in capsys.readouterr().err
    Path(files[3]).write_text("name,cpu_milli,memory_mib,gpus,model\nn,8000,1024,0,\n")
    assert call([*files, "--policy", "fgd"]) == 2
    assert "there is no node with a GPU" in capsys.readouterr().err


def test_the_nodes_may_be_those_of_a_snapshot(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    devices = {"nvidia.com/gpu": "2", "nvidia.com/mig-1g.5gb": "7"}
    bundle = Path(files[3]).with_name("bundle.tgz")
    nodes = [p.node("n1", cpu="8", memory="64Gi", **devices), p.node("n2", cpu="8", memory="64Gi")]
    bundles.write(Snapshot(p.picture().meta, nodes), bundle)
    Path(files[-1]).write_text(JOBS + "d,90,60,0,0,2\n")
    words = [*files[:2], "--snapshot", str(bundle), *files[4:], "--policy", "best-fit"]
    assert call([*words, "-o", "json"]) == 0
    captured = capsys.readouterr()
    assert (
        json.loads(captured.out)["best-fit"]["wait"]["most"] == 0
    )  # a, b, c and d: whole cards and three times slices
    assert "Node n1: has devices of 2 kinds, each of which counts as a node with all of its CPU" in captured.err
    bundles.write(Snapshot(p.picture().meta, [p.pod("a")]), bundle)
    assert call(words) == 2
    assert "the bundle has no nodes" in capsys.readouterr().err
