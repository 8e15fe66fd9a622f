"""fairlead capacity simulate --topology: gangs near each other, and what is said of that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairlead.cli.main import call

NODES = "name,cpu_milli,memory_mib,gpus,model,labels\n" + "".join(
    f"n{number},1000,1024,8,H100,rack=r{number % 2}|pool={'ab'[number // 4]}\n" for number in range(8)
)
JOBS = """name,arrival_s,duration_s,cpu_milli,memory_mib,gpus,pods,queue
two,0,100,0,0,8,2,a
one,0,100,0,0,8,1,b
three,0,100,0,0,8,3,b
"""
QUEUES = """
{apiVersion: kueue.x-k8s.io/v1beta2, kind: ResourceFlavor, metadata: {name: a}, spec: {nodeLabels: {pool: a}}}
---
{apiVersion: kueue.x-k8s.io/v1beta2, kind: ResourceFlavor, metadata: {name: b}, spec: {nodeLabels: {pool: b}}}
---
""" + "---\n".join(
    f"""
apiVersion: kueue.x-k8s.io/v1beta2
kind: ClusterQueue
metadata: {{name: {name}}}
spec:
  namespaceSelector: {{}}
  resourceGroups:
  - coveredResources: [nvidia.com/gpu]
    flavors: [{{name: {name}, resources: [{{name: nvidia.com/gpu, nominalQuota: 32}}]}}]
"""
    for name in "ab"
)
SCENARIO = ("capacity", "simulate", "--nodes", "nodes.csv", "--workloads", "jobs.csv", "--policy")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"nodes.csv": NODES, "jobs.csv": JOBS, "queues.yaml": QUEUES}.items():
        Path(name).write_text(text)


def test_how_many_gangs_are_near_each_other_is_said_of_every_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert call([*SCENARIO, "topology-packing,best-fit", "--topology", "rack", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["topology-packing"]["gangs"] == [{"label": "rack", "gangs": 2, "together": 2}]
    assert found["best-fit"]["gangs"] == [{"label": "rack", "gangs": 2, "together": 0}]

    assert call([*SCENARIO, "topology-packing", "--topology", "rack,pool"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["topology-packing", "rack", "2", "2", "100.0"] in lines

    assert call([*SCENARIO, "best-fit", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["best-fit"]["gangs"] == []


def test_a_gang_stays_on_the_nodes_of_its_flavor(capsys: pytest.CaptureFixture[str]) -> None:
    words = [*SCENARIO, "topology-packing", "--topology", "rack,pool", "--queues", "queues.yaml", "-o", "json"]
    assert call(words) == 0
    # pool b has two nodes in each rack, one of them taken: the gang of three is in both racks
    assert json.loads(capsys.readouterr().out)["topology-packing"]["gangs"] == [
        {"label": "rack", "gangs": 2, "together": 1},
        {"label": "pool", "gangs": 2, "together": 2},
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["topology-packing"], "does not know which nodes are near each other"),
        (["best-fit", "--topology", "rak"], "did you mean 'rack'?"),
    ],
)
def test_a_topology_that_is_missing_or_that_no_node_has_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([*SCENARIO, *words]) == 2
    assert said in capsys.readouterr().err
