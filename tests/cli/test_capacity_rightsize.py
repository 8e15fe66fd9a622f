"""fairlead capacity rightsize: on runs that really ran, one of them out of memory, and on tables of usage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fairlead.cli.main import call
from finished import Called
from projects import Project

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "rightsize.schema.json"
MIB = 1 << 20
FLOW = """
    import time

    from fairlead import flow, runtimes, step

    @step(cpu=1, memory="1Gi")
    def load(part: int) -> int:
        time.sleep(1.1)
        return len(bytearray(32 << 20))

    @step(memory="96Mi", cache=False)
    def grow(size: int) -> int:
        held = bytearray(size << 20)
        time.sleep(0.2 if size < 100 else 30)
        return len(held)

    @step(cache=False)
    def once() -> int:
        return 1

    @flow(dynamic=True)
    def calling() -> int:
        return sum(once.options(memory=f"{2 + each}Gi")() for each in range(2))

    @step(runtime=runtimes.torch(nodes=2), cpu=1)
    def ranks() -> int:
        return 1

    @flow
    def usual() -> None:
        load.map(list(range(6)))
        once()
        once.options(memory="2Gi")()

    @flow
    def growing(sizes: list[int]) -> None:
        grow.map(sizes)

    @flow
    def gang() -> int:
        return ranks()
"""
HEAD = "workload,seconds,cpu_request_milli,memory_request_mib,cpu_used_milli,memory_used_mib,outcome,gpu_used_percent"
PRICES = 'currency = "EUR"\n[[price]]\nwhat = "cpu"\nper_h = 0.5\n[[price]]\nwhat = "memory"\nper_h = 0.25\n'


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose flows have run: one of them until a step wanted more memory than its limit."""
    made = Project(tmp_path_factory.mktemp("sized"), {"flow.py": FLOW, "prices.toml": PRICES})
    made.document("run", "flow.py:usual")
    made.document("run", "flow.py:growing", "--sizes", "[1, 1, 1, 1, 1]")
    made.document("run", "flow.py:growing", "--sizes", "[200]", code=1)
    made.document("run", "flow.py:gang")
    made.document("run", "flow.py:calling")
    return made


@pytest.fixture
def rightsize(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Call the verb, in the home of a project or in an empty one."""
    monkeypatch.delenv("FAIRLEAD_CONTEXT", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words: str, home: Path = tmp_path / "home") -> Called:
        monkeypatch.setenv("FAIRLEAD_HOME", str(home))
        capsys.readouterr()
        code = call(["capacity", "rightsize", *words])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return run


def document(called: Called) -> Any:
    assert called.code == 0, called.err
    found = json.loads(called.out)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(found)
    return found


def by_step(found: Any) -> dict[str, Any]:
    return {each["step"]: each for each in found["steps"]}


def test_runs_say_what_their_steps_used(project: Project, rightsize: Any) -> None:
    prices = str(project.folder / "prices.toml")
    found = document(rightsize("-o", "json", "--prices", prices, home=project.home))
    steps = by_step({"steps": [each for each in found["steps"] if each["flow"] != "calling"]})
    assert set(steps) == {"load", "once", "once+2", "grow", "ranks"}
    assert [steps[name]["memory_bytes"]["requested"] for name in ("once", "once+2")] == [None, 2048 * MIB]
    load = steps["load"]
    assert (load["flow"], load["attempts"], load["oom_kills"], load["why"]) == ("usual", 6, 0, "")
    assert (load["cpu_millis"]["requested"], load["memory_bytes"]["requested"]) == (1000, 1024 * MIB)
    memory, cpu = load["memory_bytes"], load["cpu_millis"]
    assert 32 * MIB < memory["p95"] <= memory["largest"] <= memory["proposed"] < 512 * MIB
    assert memory["p95"] * 1.2 <= memory["proposed"] and memory["proposed"] % (16 * MIB) == 0
    assert cpu["largest"] <= cpu["proposed"] and cpu["proposed"] % 50 == 0
    assert memory["saved_hours"] > 0
    assert load["saved_cost"] == pytest.approx(0.5 * cpu["saved_hours"] + 0.25 * memory["saved_hours"], abs=2e-6)
    assert found["currency"] == "EUR" and found["lacking"] == []
    assert found["saved_gib_hours"] == pytest.approx(
        sum(each["memory_bytes"]["saved_hours"] or 0 for each in found["steps"]), abs=1e-5
    )


def test_an_attempt_out_of_memory_raises_what_is_proposed(project: Project, rightsize: Any) -> None:
    grow = by_step(document(rightsize("growing", "-o", "json", "--margin", "0", home=project.home)))["grow"]
    assert (grow["attempts"], grow["oom_kills"]) == (6, 1)
    memory = grow["memory_bytes"]
    assert memory["samples"] == 5 and memory["largest"] < 96 * MIB  # it is no sample
    assert memory["above"] >= 96 * MIB and memory["proposed"] > memory["above"]
    assert memory["saved_hours"] < 0  # it costs more, and no longer fails


def test_too_few_attempts_and_ranks_get_no_proposal(project: Project, rightsize: Any) -> None:
    called = rightsize(home=project.home)
    assert called.code == 0
    words = "5 attempts that succeeded must say what they used, and"
    said = f"nothing is proposed of CPU: {words} 0 do; nothing is proposed of memory: {words} 1 do"
    assert f"usual/once: {said}\n" in called.out
    said = "it has several nodes, and what each of them used is not recorded"
    assert f"gang/ranks: nothing is proposed: {said}\n" in called.out
    assert "\nwould have saved: " in called.out and " core-hours, " in called.out


def test_a_larger_margin_proposes_more(project: Project, rightsize: Any) -> None:
    less, more = (
        by_step(document(rightsize("usual", "-o", "json", "--margin", margin, home=project.home)))["load"]
        for margin in ("0", "3")
    )
    assert less["memory_bytes"]["proposed"] < more["memory_bytes"]["proposed"]


def test_calls_of_a_driver_are_steps_too(project: Project, rightsize: Any) -> None:
    found = by_step(document(rightsize("calling", "-o", "json", home=project.home)))
    assert {name: each["attempts"] for name, each in found.items()} == {"calling": 1, "once": 2}
    assert found["once"]["memory_bytes"]["requested"] in (2048 * MIB, 3072 * MIB)


def test_a_damaged_run_is_named(project: Project, rightsize: Any, tmp_path: Path) -> None:
    home = tmp_path / "copy"
    shutil.copytree(project.home, home)
    for final in home.glob("runs/*/final/*"):
        final.write_bytes(b"{")
    found = document(rightsize("-o", "json", home=home))
    assert found["steps"] == [] and len(found["not_read"]) == 5
    assert all(each["what"].startswith("run 20") for each in found["not_read"])


def test_a_flow_that_has_not_run_is_not_found(project: Project, rightsize: Any) -> None:
    called = rightsize("usuall", home=project.home)
    assert called.code == 4 and "no run of a flow 'usuall' has ended" in called.err and "usual" in called.err


def test_a_store_without_runs_says_so(rightsize: Any) -> None:
    called = rightsize()
    assert called.code == 0 and called.out.endswith("no attempt that has ended is recorded\n")


# Tables ---------------------------------------------------------------------------------------------


def test_a_table_is_of_workloads_that_ran_elsewhere(rightsize: Any) -> None:
    rows = [f"web,3600,2000,1024,{400 + each},{200 + each},,{50 + each}" for each in range(10)]
    Path("usage.csv").write_text("\n".join([HEAD, *rows, "web,60,2000,1024,1,1,oom-killed,", "new,1,,,5,5,,"]) + "\n")
    called = rightsize("--csv", "usage.csv")
    assert (
        called.code == 0
        and called.out
        == """\
STEP  ATTEMPTS  OOM  CPU  CPU P95  PROPOSED  MEMORY  MEMORY P95  PROPOSED  CORE-H SAVED  GIB-H
new   1         -    -    5m       -         -       5.0 MiB     -         -             -
web   11        1    2    409m     500m      1Gi     209.0 MiB   1280Mi    15.03         -2.504

would have saved: 15.03 core-hours, -2.504 GiB-hours
web: GPU busy p95 59 %
new: nothing is proposed of CPU and memory: 5 attempts that succeeded must say what they used, and 1 do
"""
    )
    found = document(rightsize("--csv", "usage.csv", "-o", "json"))
    assert by_step(found)["web"]["gpu_p95_percent"] == 59


def test_bad_rows_are_refused_by_line_or_left_out(rightsize: Any) -> None:
    Path("usage.csv").write_text(f"{HEAD}\nweb,60,1,1,1,1,,\nweb,x,1,1,1,1,,\n")
    refused = rightsize("--csv", "usage.csv")
    assert (
        refused.code == 2 and "line 3: seconds: 'x' is no whole number" in refused.err and "--skip-bad" in refused.err
    )
    skipped = rightsize("--csv", "usage.csv", "--skip-bad")
    assert skipped.code == 0 and "usage.csv: 1 bad row left out" in skipped.err and "web" in skipped.out


def test_prices_that_are_missing_are_named(rightsize: Any) -> None:
    Path("usage.csv").write_text("\n".join([HEAD, *["web,3600,2000,1024,100,100,,"] * 5]) + "\n")
    Path("prices.toml").write_text('currency = "EUR"\n[[price]]\nwhat = "cpu"\nper_h = 1.0\n')
    called = rightsize("--csv", "usage.csv", "--prices", "prices.toml")
    assert called.code == 0 and "GiB-hours, - EUR (no price of memory)\n" in called.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--margin", "-0.1"], "--margin must be 0 or more"),
        (["--margin", "nan"], "--margin must be 0 or more"),
        (["--margin", "much"], "invalid float value"),
        (["--skip-bad"], "--skip-bad is of rows of a table"),
        (["flow", "--csv", "usage.csv"], "name no flow beside --csv"),
        (["--csv", "none.csv"], "a file can't be read"),
        (["--prices", "none.toml"], "cannot read the price book"),
    ],
)
def test_wrong_use_is_refused(rightsize: Any, words: list[str], said: str) -> None:
    called = rightsize(*words)
    assert called.code == 2 and said in called.err


def test_the_same_runs_are_jobs_of_a_simulation(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("FAIRLEAD_HOME", str(project.home))
    (tmp_path / "nodes.csv").write_text("name,cpu_milli,memory_mib,gpus,model\nn,1000,4096,1,T4\n")
    words = ["capacity", "simulate", "--nodes", str(tmp_path / "nodes.csv"), "--policy", "best-fit", "-o", "json"]
    assert call([*words, "--from-runs", "usual"]) == 0
    found = json.loads(capsys.readouterr().out)["best-fit"]
    assert found["jobs"] >= 2 and found["given_up"] == []
    assert found["makespan_s"] >= found["jobs"]  # one core, for a second each at least
    assert call([*words, "--from-runs", "never"]) == 4
    assert "no run of a flow 'never' has ended" in capsys.readouterr().err
