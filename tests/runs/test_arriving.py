"""Runs as jobs: each attempt that has ended, with what its step asks for; what can be none is noted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import NotFoundError
from fairlead.planner.nodes import Node
from fairlead.planner.workloads import Demand
from fairlead.runs.arriving import jobs_of_runs
from fairlead.specs.graphs import Graph
from fairlead.specs.graphs import Node as GraphNode
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Ray, Torch
from fairlead.specs.steps import FunctionStep
from fairlead.store.backends import Folder
from fairlead.store.catalog import note_transition
from fairlead.store.claims import take_claim
from fairlead.store.history import compact
from fairlead.store.layout import spec_key
from fairlead.store.records import AttemptRecord, Ended, RunSpec, encode

BEGUN = datetime(2026, 11, 1, tzinfo=UTC)
NODES = [
    Node(name="a", cpu_millis=1, memory_mib=1, gpus=8, model="NVIDIA-H100-80GB-HBM3"),
    Node(name="b", cpu_millis=1, memory_mib=1, gpus=8, model="Tesla-T4"),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path))
    return Folder(tmp_path)


def ran(backend: Folder, number: int, *attempts: tuple[float, float], flow: str = "f", **fields: Any) -> str:
    """Have a run of one step, with an attempt from each time to another."""
    run = f"20261101-{number:06}-abcde"
    step = FunctionStep(name="fit", function="m:f", **fields)
    graph = Graph(flow=flow, steps={"fit": step}, nodes=(GraphNode(step="fit"),))
    backend.create(spec_key(run), encode(RunSpec(run=run, created=float(number), graph=graph)))
    note_transition(backend, run, flow, "running", now=BEGUN + timedelta(minutes=number))
    records = [
        Ended(record=AttemptRecord(step="fit", index=0, number=place, status="failed", started=began, finished=ended))
        for place, (began, ended) in enumerate(attempts, 1)
    ]
    compact(backend, run, take_claim(backend, run, now=float(number)), records)
    note_transition(backend, run, flow, "succeeded", now=BEGUN + timedelta(minutes=number, seconds=30))
    return run


def test_attempts_are_jobs_in_the_order_in_which_they_began(home: Folder) -> None:
    resources = Resources(cpu="2", memory="1Gi", gpus="H100:4")
    first = ran(home, 1, (1005.0, 1010.0), (1020.4, 1020.5), resources=resources, queue="team")
    second = ran(home, 2, (1000.0, 1100.0), flow="g", runtime=Torch(nodes=3), resources=Resources(gpus="T4:1"))
    notes: list[str] = []
    gang, one, two = jobs_of_runs([], NODES, notes)
    assert (gang.name, gang.pods, gang.arrival_s, gang.duration_s) == (f"{second}/fit.0.1", 3, 0, 100)
    assert gang.demand == Demand(1000, 0, 1, 1000, ("Tesla-T4",))
    assert (one.name, one.arrival_s, one.duration_s, one.queue) == (f"{first}/fit.0.1", 5, 5, "team")
    assert one.demand == Demand(2000, 1024, 4, 1000, ("NVIDIA-H100-80GB-HBM3",))
    assert (two.name, two.arrival_s, two.duration_s) == (f"{first}/fit.0.2", 20, 1)
    assert notes == []
    assert [each.name for each in jobs_of_runs(["g"], NODES, notes)] == [gang.name]


def test_a_cluster_of_a_framework_is_a_job_of_its_nodes_and_a_model_that_no_node_has_keeps_its_name(
    home: Folder,
) -> None:
    ran(home, 1, (0.0, 1.0), runtime=Ray(workers=4), resources=Resources(gpus="A100:1"))
    (job,) = jobs_of_runs(["f"], NODES, [])
    assert job.pods == 5 and len(job.demand.models) == 1 and job.demand.models[0].startswith("A100")


@pytest.mark.parametrize(
    ("gpus", "why"),
    [
        ("A100-MIG-3g.20gb:1", "a slice of a GPU has no place here"),
        ("tpu-v4:2x2x1", "a slice of TPUs has no place here"),
    ],
)
def test_slices_are_left_out_and_counted(home: Folder, gpus: str, why: str) -> None:
    ran(home, 1, (0.0, 1.0), (2.0, 3.0), resources=Resources(gpus=gpus))
    notes: list[str] = []
    with pytest.raises(NotFoundError, match="no attempt of these runs can be a job"):
        jobs_of_runs([], NODES, notes)
    assert notes == [f"f/fit: {why}; 2 left out"]


def test_a_flow_that_never_ran_is_named(home: Folder) -> None:
    ran(home, 1, (0.0, 1.0))
    with pytest.raises(NotFoundError, match="no run of a flow 'h' has ended"):
        jobs_of_runs(["h"], NODES, [])
