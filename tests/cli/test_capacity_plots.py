"""fairlead capacity --plot: figures that are what they say, the same to the byte, and refused before anything is done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import fairlead
from fairlead.cli import capacity_plots
from fairlead.cli.main import call
from fairlead.planner.nodes import Node
from fairlead.planner.outcomes import reported
from fairlead.planner.policies.table import policy_named
from fairlead.planner.simulation import simulate
from fairlead.planner.workloads import Demand, Job
from fairlead.snapshots import bundles
from fairlead.snapshots.snapshot import Snapshot
from insight import pictures as p

NODES = "name,cpu_milli,memory_mib,gpus,model,count\nn,8000,1024,2,T4,2\n"
JOBS = "name,arrival_s,duration_s,cpu_milli,memory_mib,gpus\na,0,3600,1000,64,2\nb,60,3600,1000,64,2\nc,90,60,0,0,2\n"
SIMULATE = ("simulate", "--nodes", "nodes.csv", "--workloads", "jobs.csv", "--policy", "fgd,random")
GPU = "nvidia.com/gpu"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(fairlead.__file__).parents[1])}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nodes.csv").write_text(NODES)
    Path("jobs.csv").write_text(JOBS)
    Path("changes.toml").write_text('[[change]]\nname = "more"\nadd = [{ like = "n-0" }]\n')


def comments(file: str) -> set[str]:
    """Return the texts of an SVG: it draws them as paths, and has each as a comment."""
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    root = ElementTree.parse(file, parser).getroot()
    return {(each.text or "").strip() for each in root.iter() if each.tag is ElementTree.Comment}


def test_a_simulation_is_drawn_with_a_line_for_each_policy() -> None:
    assert call(["capacity", *SIMULATE, "--plot", "found.svg"]) == 0
    said = comments("found.svg")
    assert {"fgd", "random", "allocated, % of all GPUs", "fragmented, % of all GPUs", "jobs that wait"} <= said
    assert {"time, minutes", "wait, minutes"} <= said


def test_changes_are_drawn_beside_what_there_is() -> None:
    assert call(["capacity", "compare", "changes.toml", *SIMULATE[1:-1], "fgd", "--plot", "found.svg"]) == 0
    assert {"as it is", "more"} <= comments("found.svg")


def test_every_change_is_in_the_legend_as_it_is_called() -> None:
    names = ["$a$ for $5", "_hidden", 40 * "long "]
    Path("changes.toml").write_text("".join(f"[[change]]\nname = {name!r}\n" for name in names))
    assert call(["capacity", "compare", "changes.toml", *SIMULATE[1:-1], "fgd", "--plot", "found.svg"]) == 0
    assert {"$a$ for $5", "_hidden", f"{6 * 'long '}…{6 * 'long '}".strip()} <= comments("found.svg")


def test_many_lines_look_otherwise_each() -> None:
    looks = [str(look) for _, look in zip(range(28), capacity_plots._looks(), strict=False)]
    assert len(set(looks)) == len(looks)


def test_a_replay_is_drawn_with_its_bands() -> None:
    Path("nodes.csv").write_text("sn,cpu_milli,memory_mib,gpu,model\nn,8000,1024,2,T4\n")
    rows = "".join(f"p{each},1,1,1,{100 + each},\n" for each in range(9))
    Path("pods.csv").write_text("name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n" + rows)
    words = ("replay", "--nodes", "nodes.csv", "--workloads", "pods.csv", "--policy", "fgd,random", "--seeds", "1:3")
    assert call(["capacity", *words, "--processes", "1", "--plot", "found.svg"]) == 0
    assert {"fgd", "random", "arrived, % of all GPUs"} <= comments("found.svg")
    assert Path("found.svg").read_text("utf-8").count('id="FillBetweenPolyCollection') == 4


def test_what_is_stranded_is_drawn_by_cause_with_the_nodes_where_it_is_most() -> None:
    asked = {"requests": {"cpu": "2", GPU: "2"}}
    pod = p.pod("a", spec={"containers": [{"name": "main", "resources": asked}], "nodeName": "n0"}, phase="Running")
    nodes = [p.node(f"n{each}", cpu="8", memory="64Gi", **{GPU: "3"}) for each in range(40)]
    bundles.write(Snapshot(p.picture().meta, [*nodes, pod]), Path("bundle.tgz"))
    assert call(["capacity", "fragmentation", "--snapshot", "bundle.tgz", "--plot", "found.svg"]) == 0
    said = comments("found.svg")
    assert {"too-few-gpus", "can be used", "free GPUs", "n0", "the 30 of 40 with most that can't be used"} <= said
    assert "no-cpu" not in said


def test_where_no_gpu_is_free_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    bundles.write(Snapshot(p.picture().meta, [p.node("n", cpu="8", memory="64Gi")]), Path("bundle.tgz"))
    assert call(["capacity", "fragmentation", "--snapshot", "bundle.tgz", "--plot", "found.svg"]) == 0
    assert "no figure is drawn: no GPU is free" in capsys.readouterr().err and not Path("found.svg").exists()


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_gives_the_same_bytes_whatever_the_user_has_set(kind: str) -> None:
    Path("matplotlibrc").write_text("svg.hashsalt: other\nfont.size: 30\nbackend: TkAgg\n")
    for name in ("one", "two"):
        words = [sys.executable, "-m", "fairlead", "capacity", *SIMULATE, "--plot", f"{name}.{kind}"]
        subprocess.run(words, env=ENVIRONMENT, check=True, capture_output=True, timeout=120)
        Path("matplotlibrc").unlink(missing_ok=True)
    assert Path(f"one.{kind}").read_bytes() == Path(f"two.{kind}").read_bytes()


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("found.pdf", "next   --plot found.svg"),
        ("found", "neither .png nor .svg"),
        ("none/found.svg", "no such folder"),
    ],
)
def test_files_that_can_not_be_are_refused_before_anything_is_read(
    file: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("nodes.csv").unlink()
    assert call(["capacity", *SIMULATE, "--plot", file]) == 2
    assert said in capsys.readouterr().err


def test_without_matplotlib_it_is_said_what_to_install() -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None; from fairlead.cli.main import call; sys.exit(call(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", program, "capacity", *SIMULATE]
    subprocess.run(words, env=ENVIRONMENT, check=True, capture_output=True, timeout=120)
    done = subprocess.run(
        [*words, "--plot", "x.svg"], env=ENVIRONMENT, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and done.stdout == ""
    assert "a figure needs the library 'matplotlib'" in done.stderr and "pip install 'fairlead[plots]'" in done.stderr


def test_waits_are_distributed_by_at_most_a_hundred_points_that_are_all_true() -> None:
    nodes = [Node(name="n", cpu_millis=1, memory_mib=1, gpus=1, model="T4")]
    for count, points in ((300, 100), (7, 7)):
        jobs = [Job(name=str(each), demand=Demand(0, 0, 1, 1000), arrival_s=0, duration_s=1) for each in range(count)]
        course = simulate(nodes, jobs, policy_named("best-fit"), "StrictFIFO")  # one after another
        found = reported(jobs, course, 1000).wait_distribution
        assert len(found) == points and found[-1].jobs_percent == 100
        assert all(each.jobs_percent == 100 * (each.wait_s + 1) / count for each in found)
