"""fairlead capacity -o csv: the tables for people again, for other programs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.cli.main import call
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import Snapshot
from insight import pictures as p

NODES = "name,cpu_milli,memory_mib,gpus,model,count\nn,8000,1024,2,T4,2\n"
JOBS = "name,arrival_s,duration_s,cpu_milli,memory_mib,gpus\na,0,3600,1000,64,2\nb,60,3600,1000,64,2\nc,90,60,0,0,2\n"
CHANGES = '[[change]]\nname = "one more, like n-0"\nadd = [{ like = "n-0" }]\n'
OPENB = (
    "sn,cpu_milli,memory_mib,gpu,model\nn,8000,1024,2,T4\n",
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n",
)
USED = "workload,seconds,cpu_request_milli,memory_request_mib,cpu_used_milli,memory_used_mib\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("nodes.csv", NODES), ("jobs.csv", JOBS), ("changes.toml", CHANGES)):
        Path(name).write_text(text)


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, str]]:
    """Return the rows that are printed, by the names of their columns."""
    assert call(["capacity", *words, "-o", "csv"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("\r\n") and out.count("\n") == out.count("\r\n")
    return list(csv.DictReader(io.StringIO(out, newline="")))


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert call(["capacity", *words, "-o", "json"]) == 0
    return json.loads(capsys.readouterr().out)


SIMULATE = ("simulate", "--nodes", "nodes.csv", "--workloads", "jobs.csv", "--policy", "fgd,random")


def test_a_simulation_has_a_row_for_each_policy(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    rows = printed(capsys, *SIMULATE)
    found = document(capsys, *SIMULATE)
    assert [row["policy"] for row in rows] == list(found)
    for row, report in zip(rows, found.values(), strict=True):
        assert row["makespan_s"] == "3660" and row["given_up"] == "0"
        assert float(row["scheduling_occupancy_percent"]) == report["scheduling_occupancy"]
        for what in ("wait", "completion"):
            assert {name: float(row[f"{what}_{name}_s"]) for name in report[what]} == report[what]


def test_over_time_there_is_a_row_for_each_part_of_it(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    rows = printed(capsys, *SIMULATE, "--over-time")
    points = [point for report in document(capsys, *SIMULATE).values() for point in report["over_time"]]
    assert [(int(row["from_s"]), float(row["waiting_jobs"])) for row in rows] == [
        (point["from_s"], point["waiting"]) for point in points
    ]
    assert call(["capacity", *SIMULATE, "--over-time"]) == 0
    head, first, *others = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["POLICY", "FROM"] and first.split() == ["fgd", "0", "ms", "50.00", "0.00", "0.0"]
    assert len(others) == len(points) - 1


def test_what_never_began_has_waited_for_no_known_time(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    Path("jobs.csv").write_text(JOBS.splitlines()[0] + "\nlarge,0,60,0,0,9\n")
    (row,) = printed(capsys, *SIMULATE[:-1], "fgd")
    assert (row["given_up"], row["wait_p50_s"], row["completion_most_s"]) == ("1", "", "")


def test_names_with_commas_are_quoted(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    rows = printed(capsys, "compare", "changes.toml", *SIMULATE[1:-1], "fgd")
    assert [(row["change"], row["makespan_s"]) for row in rows] == [
        ("as it is", "3660"),
        ("one more, like n-0", "3660"),
    ]


def test_a_replay_has_a_row_for_every_per_cent(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    nodes, pods = OPENB
    Path("nodes.csv").write_text(nodes)
    Path("pods.csv").write_text(pods + "".join(f"p{each},1,1,1,{100 + each},\n" for each in range(9)))
    words = ("replay", "--nodes", "nodes.csv", "--workloads", "pods.csv", "--policy", "fgd", "--seeds", "1:3")
    rows = printed(capsys, *words, "--processes", "1")
    curves = document(capsys, *words, "--processes", "1")["fgd"]
    assert {row["seeds"] for row in rows} == {str(curves.pop("seeds"))} == {"2"}
    for name, curve in curves.items():
        assert [
            {"arrivals_percent": int(row["arrivals_percent"]), "mean": float(row[f"{name}_mean_percent"]), "sd": float(row[f"{name}_sd_percent"])}
            for row in rows
        ] == curve  # fmt: skip


def test_fragmentation_has_a_row_for_each_node_and_a_column_for_each_cause(
    here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"requests": {"cpu": "2", "nvidia.com/gpu": "2"}}
    pod = p.pod("a", spec={"containers": [{"name": "main", "resources": asked}], "nodeName": "n1"}, phase="Running")
    nodes = [p.node("n1", cpu="8", memory="64Gi", **{"nvidia.com/gpu": "3"}), p.node("mute")]
    bundles.write(Snapshot(p.picture().meta, [*nodes, pod]), Path("bundle.tgz"))
    words = ("fragmentation", "--snapshot", "bundle.tgz")
    (row,) = printed(capsys, *words)
    assert row["node"] == "n1" and row["stranded_gpu_millis"] == row["too_few_gpus_gpu_millis"] == "1000"
    assert [name for name in row if name.endswith("_gpu_millis")][2:] == [
        f"{each['cause'].replace('-', '_')}_gpu_millis" for each in document(capsys, *words)["causes"]
    ]
    assert call(["capacity", *words, "-o", "csv"]) == 0
    assert "Node mute: is left out" in capsys.readouterr().err


def test_rightsizing_has_a_row_for_each_workload_and_names_prices_that_lack(
    here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("used.csv").write_text(USED + 5 * "web,3600,2000,1024,400,200\n" + "db,60,,64,,12\n")
    Path("prices.toml").write_text('currency = "EUR"\n[[price]]\nwhat = "cpu"\nper_h = 1\n')
    words = ["rightsize", "--csv", "used.csv", "--prices", "prices.toml"]
    web, db = printed(capsys, *words)
    assert (web["step"], web["cpu_requested_millis"], web["cpu_proposed_millis"]) == ("web", "2000", "500")
    assert (web["memory_p95_bytes"], web["saved_core_hours"], web["saved_cost"]) == (str(200 << 20), "7.5", "")
    assert (db["cpu_requested_millis"], db["cpu_proposed_millis"]) == ("", "") and "nothing is proposed" in db["why"]
    assert call(["capacity", *words, "-o", "csv"]) == 0
    assert "no price of memory" in capsys.readouterr().err


def test_only_what_is_a_table_has_the_form(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["capacity", "partition", "--gpus", "H100:1", "--want", "1g.10gb:1", "-o", "csv"]) == 2
    assert "invalid choice: 'csv'" in capsys.readouterr().err
