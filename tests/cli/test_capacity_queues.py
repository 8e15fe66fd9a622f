"""fairlead capacity simulate and compare with --queues: jobs are admitted by quota, and quotas can be changed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest

from fairlead.cli.main import call

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "simulation.schema.json"
NODES = "name,cpu_milli,memory_mib,gpus,model\nn,8000,1024,4,T4\n"
JOBS = (
    "name,arrival_s,duration_s,cpu_milli,memory_mib,gpus,queue\n"
    "a,0,100,0,0,4,slow\nb,10,20,0,0,2,fast\nc,20,20,0,0,2,fast\n"
)
QUEUE = """
apiVersion: kueue.x-k8s.io/v1beta2
kind: ClusterQueue
metadata: {{name: {name}}}
spec:
  cohortName: all
  preemption: {{reclaimWithinCohort: Any}}
  resourceGroups:
  - coveredResources: [nvidia.com/gpu]
    flavors:
    - name: any
      resources: [{{name: nvidia.com/gpu, nominalQuota: 2}}]
---"""
FLAVOR = "\napiVersion: kueue.x-k8s.io/v1beta2\nkind: ResourceFlavor\nmetadata: {name: any}\nspec: {}\n"
CHANGES = """
[[change]]
name = "the slow one lends nothing"
quota = [{ queue = "slow", resource = "nvidia.com/gpu", nominal = 4, lend_percent = 0 }]

[[change]]
name = "one queue"
move = [{ from = "fast", to = "slow" }]
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    texts = {
        "nodes": NODES, "workloads": JOBS, "changes": CHANGES,
        "queues": "".join(QUEUE.format(name=name) for name in ("slow", "fast")) + FLAVOR,
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name: tmp_path / name for name in texts}


def words(files: dict[str, Path], verb: str = "simulate") -> list[str]:
    named = [word for name in ("nodes", "workloads", "queues") for word in (f"--{name}", str(files[name]))]
    return ["capacity", verb, *([str(files["changes"])] if verb == "compare" else []), *named, "--policy", "best-fit"]


def test_who_borrows_is_taken_back_and_each_queue_has_its_row(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([*words(files), "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(document)
    fast, slow = document["best-fit"]["queues"]
    assert (fast["name"], fast["jobs"], fast["evictions"], fast["wait"]["most"]) == ("fast", 2, 0, 0)
    assert (slow["name"], slow["evictions"], slow["lost_gpu_hours"]) == ("slow", 1, pytest.approx(40 / 3600))
    assert slow["completion"]["most"] == 140
    assert call(words(files)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].split()[:4] == ["POLICY", "QUEUE", "JOBS", "GIVEN"]
    assert [line.split()[:2] for line in lines[4:]] == [["best-fit", "fast"], ["best-fit", "slow"]]


def test_a_table_for_other_programs_has_a_row_for_each_queue(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([*words(files), "-o", "json"]) == 0
    reports = json.loads(capsys.readouterr().out)["best-fit"]["queues"]
    assert call([*words(files), "--by-queue", "-o", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    for row, report in zip(rows, reports, strict=True):
        assert (row.pop("policy"), row.pop("queue")) == ("best-fit", report.pop("name"))
        times = {f"{what}_{name}_s": each for what in ("wait", "completion") for name, each in report.pop(what).items()}
        assert {name: float(text) for name, text in row.items()} == {**report, **times}
    assert call([*words(files), "--by-queue"]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["POLICY", "QUEUE"], ["best-fit", "fast"], ["best-fit", "slow"],
    ]  # fmt: skip
    assert call([*words(files, "compare"), "--by-queue", "-o", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 2 + 2 + 1


def test_without_queues_there_is_no_line_for_each(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    given = [word for word in words(files) if word not in ("--queues", str(files["queues"]))]
    assert call([*given, "--by-queue"]) == 2
    assert "add --queues FILE" in capsys.readouterr().err


def test_quotas_and_the_queues_of_jobs_are_changed(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert call([*words(files, "compare"), "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    waits = {name: {each["name"]: each["wait"]["most"] for each in one["queues"]} for name, one in document.items()}
    assert waits == {
        "as it is": {"fast": 0, "slow": 0},
        "the slow one lends nothing": {"fast": 100, "slow": 0},
        "one queue": {"slow": 90},
    }


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("queues", "{", "queues"),
        ("queues", FLAVOR, "there is no ClusterQueue"),
        ("queues", QUEUE.format(name="slow"), "job b: there is no ClusterQueue 'fast': known: slow"),
        ("workloads", JOBS.replace(",slow", ","), "job a: names no queue"),
        ("workloads", JOBS.replace("queue", "queue,checkpoint_s").replace(",slow", ",slow,-1"), "checkpoint_s"),
        ("nodes", NODES.replace("model", "model,labels").replace("T4", "T4,pool"), "labels: must be name=value"),
    ],
)
def test_what_can_not_be_is_named(
    files: dict[str, Path], name: str, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files[name].write_text(text)
    assert call(words(files)) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('quota = [{ queue = "slo", resource = "nvidia.com/gpu" }]', "quota[0].queue: there is no ClusterQueue 'slo'"),
        ('quota = [{ queue = "slow", resource = "cpu" }]', "quota[0].resource: slow has no quota of 'cpu'"),
        ('quota = [{ queue = "slow", resource = "nvidia.com/gpu", flavor = "x" }]', "quota[0].flavor: slow has no"),
        ('quota = [{ queue = "slow", resource = "nvidia.com/gpu", nominal = -1 }]', "quota[0].nominal: must be"),
        ('quota = [{ queue = "slow", resource = "nvidia.com/gpu", lend_percent = 101 }]', "must be 0 to 100"),
        ('move = [{ from = "fast", to = "slo" }]', "move[0].to: there is no ClusterQueue 'slo'"),
        ('queueing = "LIFO"', "queueing"),
    ],
)
def test_changes_of_queues_that_can_not_be_are_named(
    files: dict[str, Path], change: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files["changes"].write_text(f"[[change]]\nname = 'x'\n{change}\n")
    assert call(words(files, "compare")) == 2
    assert said in capsys.readouterr().err


def test_without_queues_none_can_be_changed(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    given = [word for word in words(files, "compare") if word not in ("--queues", str(files["queues"]))]
    assert call(given) == 2
    assert "there are no queues: --queues FILE names them" in capsys.readouterr().err
