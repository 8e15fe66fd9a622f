"""fairlead capacity simulate and compare on GPUs that are cut into MIG instances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.cli.main import call

FILES = {
    "nodes.csv": "name,cpu_milli,memory_mib,gpus,model,mig\ncut,1000,1024,2,A100-40GB,3g+2g+1g+1g\nwhole,1000,1024,1,A100-40GB,\n",
    "jobs.csv": "name,arrival_s,duration_s,cpu_milli,memory_mib,gpus,profile\n"
    + "".join(f"three-{each},0,100,0,0,1,3g.20gb\n" for each in range(3)) + "whole,0,100,0,0,1,\n",
    "changes.toml": """
[[change]]
name = "two of 3g"
mig = [{ nodes = "cut", layout = "3g:2" }]

[[change]]
name = "as it is asked for"
mig = [{ nodes = "*", layout = "as-asked" }]
add = [{ like = "whole" }]

[[change]]
name = "whole"
mig = [{ nodes = "cut", layout = "" }]
policy = "best-fit"
""",
}  # fmt: skip
SCENARIO = ("--nodes", "nodes.csv", "--workloads", "jobs.csv", "--policy", "mig-best-fit")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text)


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert call(["capacity", *words, "-o", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_layouts_decide_who_waits_and_who_can_never_begin(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "compare", "changes.toml", *SCENARIO)
    assert {name: (each["wait"]["most"], each["given_up"]) for name, each in found.items()} == {
        "as it is": (100, []), "two of 3g": (0, []), "as it is asked for": (0, ["whole"]),
        "whole": (0, ["three-0", "three-1", "three-2"]),
    }  # fmt: skip


def test_queues_have_quota_of_instances(capsys: pytest.CaptureFixture[str]) -> None:
    Path("jobs.csv").write_text("\n".join(FILES["jobs.csv"].splitlines()[:4]))
    Path("queues.yaml").write_text("""
apiVersion: kueue.x-k8s.io/v1beta2
kind: ClusterQueue
metadata: {name: q}
spec:
  resourceGroups:
  - coveredResources: [nvidia.com/mig-3g.20gb]
    flavors: [{name: any, resources: [{name: nvidia.com/mig-3g.20gb, nominalQuota: 1}]}]
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: ResourceFlavor
metadata: {name: any}
""")
    found = document(capsys, "simulate", *SCENARIO, "--queues", "queues.yaml")
    assert found["mig-best-fit"]["makespan_s"] == 300


def test_a_policy_that_chooses_no_instances_is_refused_where_gpus_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("simulate", *SCENARIO[:-1], "mig-best-fit,fgd"), ("compare", "changes.toml", *SCENARIO[:-1], "fgd")):
        assert call(["capacity", *words]) == 2
        said = capsys.readouterr().err
        assert "the policy fgd chooses no MIG instances" in said and "--policy mig-first-fit or mig-best-fit" in said


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("nodes.csv", "3g+2g+1g+1g", "3g+3g+1g", "mig: 3g+3g+1g can't be on one A100-40GB: "),
        ("nodes.csv", "3g+2g+1g+1g", "5g", "mig: A100-40GB has no MIG profile '5g'"),
        ("nodes.csv", "2,A100-40GB", "2,T4", "mig: T4 can't be cut here"),
        ("jobs.csv", "3g.20gb", "3g.21gb", "profile: no card has a MIG profile '3g.21gb': did you mean"),
        ("jobs.csv", "1,3g.20gb", "2,3g.20gb", "profile: an instance is of 1 GPU"),
        ("changes.toml", '"3g:2"', '"3g:3"', "change[0].mig[0].layout: 3g:3 can't be on one A100-40GB"),
        ("changes.toml", 'nodes = "*"', 'nodes = "x"', "change[1].mig[0].nodes: no node is called 'x'"),
    ],
)
def test_what_can_not_be_is_named(name: str, old: str, new: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(name).write_text(FILES[name].replace(old, new))
    assert call(["capacity", "compare", "changes.toml", *SCENARIO]) == 2
    assert said in capsys.readouterr().err


def test_a_profile_that_no_gpu_gives_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    Path("jobs.csv").write_text(FILES["jobs.csv"].replace("3g.20gb", "4g.20gb"))
    assert call(["capacity", "simulate", *SCENARIO]) == 0
    printed = capsys.readouterr()
    assert "is larger than any node" in printed.err and "1 GPUs cut into 4g.20gb" in printed.err
    assert "can never begin on these nodes: three-0, three-1, three-2" in printed.out
