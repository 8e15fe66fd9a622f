"""fairlead capacity simulate and compare with nodes that are taken away, by a table or by a rate of spot nodes."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from fairlead.cli.main import call
from simulations import document, printed

FILES = {
    "nodes.csv": "name,cpu_milli,memory_mib,gpus,model,spot\nkept,1000,1024,2,T4,\nspot,1000,1024,2,T4,true\n",
    "jobs.csv": "name,arrival_s,duration_s,cpu_milli,memory_mib,gpus,checkpoint_s\na,0,7200,0,0,2,3600\nb,0,7200,0,0,2,\n",
    "reclaims.csv": "node,at_s,back_s\nspot,5400,9000\n",
    "prices.toml": 'currency = "EUR"\n' + "".join(
        f'[[price]]\nwhat = "{what}"\nper_h = {per_h}\nspot_per_h = {spot}\n'
        for what, per_h, spot in (("cpu", 0, 0), ("memory", 0, 0), ("T4", 2, 0.5))
    ),
    "changes.toml": """
[[change]]
name = "all spot"
spot = [{ nodes = "*" }]

[[change]]
name = "never taken"
spot = [{ nodes = "kept", reclaim_rate = 0.0, back_after = "10m" }]
""",
}  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text)


SCENARIO = ("--nodes", "nodes.csv", "--workloads", "jobs.csv", "--policy", "best-fit", "--prices", "prices.toml")
SIMULATE = ("simulate", *SCENARIO)
TABLE = ("--reclaims", "reclaims.csv")
RATE = ("--spot-reclaim-rate", "0.5", "--spot-back-after", "10m")


def test_what_was_lost_with_a_node_is_said_and_an_absent_one_costs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    # b is on the spot node, loses an hour and a half, and begins anew when a has ended
    report = document(capsys, *SIMULATE, *TABLE)["best-fit"]
    assert report["makespan_s"] == 14400
    assert report["reclaims"] == {"nodes": 1, "jobs": 1, "lost_gpu_hours": 3.0, "away_node_hours": 1.0}
    assert (report["cost"]["per_h"], report["cost"]["over_makespan"]) == (5.0, 4 * 5.0 - 1.0)
    lines = printed(capsys, *SIMULATE, *TABLE).splitlines()
    assert lines[3].split()[:3] == ["POLICY", "NODES", "TAKEN"] and lines[4].split() == [
        "best-fit",
        "1",
        "1",
        "3.0",
        "1.0",
    ]
    (row,) = csv.DictReader(io.StringIO(printed(capsys, *SIMULATE, *TABLE, "-o", "csv"), newline=""))
    assert [row[name] for name in ("nodes_taken", "jobs_stopped", "lost_gpu_hours", "away_node_hours")] == [
        "1", "1", "3.0", "1.0",
    ]  # fmt: skip


def test_a_rate_takes_spot_nodes_alone_by_the_seed(capsys: pytest.CaptureFixture[str]) -> None:
    Path("reclaims.csv").write_text("node,at_s,back_s\n")
    one, same, other = (printed(capsys, *SIMULATE, *RATE, "-o", "json", "--seed", seed) for seed in ("1", "1", "2"))
    assert one == same != other
    assert document(capsys, *SIMULATE, *RATE, "--seed", "1")["best-fit"]["reclaims"]["nodes"] > 0
    without = document(capsys, *SIMULATE)
    assert without["best-fit"].pop("reclaims") is None
    for words in (TABLE, ("--spot-reclaim-rate", "0", "--spot-back-after", "1s")):
        none = document(capsys, *SIMULATE, *words)
        none["best-fit"].pop("reclaims")
        assert none == without


def test_changes_make_spot_nodes_at_their_price(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(
        capsys, "compare", "changes.toml", *SCENARIO, "--spot-reclaim-rate", "0.4", "--spot-back-after", "5m"
    )
    assert {name: each["cost"]["per_h"] for name, each in found.items()} == {
        "as it is": 5.0, "all spot": 2.0, "never taken": 2.0,
    }  # fmt: skip
    assert found["all spot"]["reclaims"]["nodes"] > found["as it is"]["reclaims"]["nodes"]
    assert found["never taken"]["reclaims"] == found["as it is"]["reclaims"]


def test_who_never_ends_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("reclaims.csv").write_text("node,at_s,back_s\nspot,0,\nkept,0,\n")
    assert "best-fit: can never begin or never end on these nodes: a, b" in printed(capsys, *SIMULATE, *TABLE)


@pytest.mark.parametrize(
    ("words", "name", "text", "said"),
    [
        (TABLE, "reclaims.csv", "node,at_s,back_s\nspo,1,2\n", "node: no node is called 'spo': did you mean 'spot'?"),
        (TABLE, "reclaims.csv", "node,at_s,back_s\nspot,3,2\n", "back_s: must be 3 to"),
        ((), "nodes.csv", FILES["nodes.csv"].replace("true", "yes"), "spot: must be true or false, got 'yes'"),
        (RATE[:2], "jobs.csv", FILES["jobs.csv"], "must be given together"),
        (("--spot-reclaim-rate", "61", *RATE[2:]), "jobs.csv", FILES["jobs.csv"], "a rate must be 0 to 60"),
        ((*RATE[:3], "soon"), "jobs.csv", FILES["jobs.csv"], "'soon' is no duration"),
    ],
)
def test_what_can_not_be_is_named(
    words: tuple[str, ...], name: str, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_text(text)
    assert call(["capacity", *SIMULATE, *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('spot = [{ nodes = "x*" }]', "change[0].spot[0].nodes: no node is called 'x*'"),
        ('spot = [{ nodes = "*", reclaim_rate = 1.0 }]', "change[0].spot[0]: how often nodes are taken"),
        ('spot = [{ nodes = "*", reclaim_rate = -1.0, back_after = 5 }]', "change[0].spot[0]: a rate must be 0 to 60"),
    ],
)
def test_changes_that_can_not_be_are_named(change: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("changes.toml").write_text(f"[[change]]\nname = 'x'\n{change}\n")
    assert call(["capacity", "compare", "changes.toml", *SCENARIO]) == 2
    assert said in capsys.readouterr().err


def test_a_rate_without_spot_nodes_is_said_to_take_none(capsys: pytest.CaptureFixture[str]) -> None:
    Path("nodes.csv").write_text(FILES["nodes.csv"].replace("true", "false"))
    assert call(["capacity", *SIMULATE, *RATE]) == 0
    assert "no node is a spot node" in capsys.readouterr().err
