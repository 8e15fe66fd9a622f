"""What of a TrainJob Trainer does by itself, and what of it overlays can change."""

from __future__ import annotations

import msgspec
import pytest

from fairlead.errors import SpecError
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Jax, Mpi, RankRuntime, Torch, XGBoost
from fairlead.specs.steps import FunctionStep, Overlay
from fairlead.targets.refusals import step_refusals
from fairlead.targets.training import train_job
from fairlead.targets.training.target import Gang
from targets.refused import PLACE

STEP = FunctionStep(name="fit", function="m:f", runtime=Torch(nodes=2))


def gang(**fields: object) -> Gang:
    return Gang(PLACE, msgspec.structs.replace(STEP, **fields), "fit", 0, 1)


@pytest.mark.parametrize(
    ("runtime", "policy"),
    [
        (Torch(nodes=2, processes_per_node=4), {"torch": {}}),
        (Jax(nodes=2), {"jax": {}}),
        (Jax(nodes=2, processes_per_node=2), None),
        (XGBoost(nodes=2), {"xgboost": {}}),
        (XGBoost(nodes=2, processes_per_node=2), None),
        (Mpi(nodes=2), None),
    ],
)
def test_trainer_adds_variables_only_where_they_are_those_of_the_ranks(
    runtime: RankRuntime, policy: dict[str, object] | None
) -> None:
    made, job = train_job.render(gang(runtime=runtime))
    assert made["spec"].get("mlPolicy") == policy
    assert job["spec"]["trainer"] == {"numNodes": 2, "numProcPerNode": runtime.processes_per_node}


@pytest.mark.parametrize(("gpus", "policy"), [("A100:1", {"xgboost": {}}), ("A100:4", None)])
def test_trainer_would_count_a_worker_of_xgboost_for_each_gpu(gpus: str, policy: dict[str, object] | None) -> None:
    made, _ = train_job.render(gang(runtime=XGBoost(nodes=2), resources=Resources(gpus=gpus)))
    assert made["spec"].get("mlPolicy") == policy


def test_overlays_change_the_runtime_and_what_a_job_has_of_its_own() -> None:
    policy = {"spec": {"podGroupPolicy": {"coscheduling": {}}}}
    labelled = {
        "metadata": {"labels": {"kueue.x-k8s.io/priority-class": "high"}},
        "spec": {"activeDeadlineSeconds": 60},
    }
    overlays = (Overlay(kind="TrainingRuntime", patch=policy), Overlay(kind="TrainJob", patch=labelled))
    asked = gang(overlays=overlays)
    assert list(step_refusals(asked.step)) == []
    made, job = train_job.render(asked)
    assert made["spec"]["podGroupPolicy"] == {"coscheduling": {}}
    assert job["spec"]["activeDeadlineSeconds"] == 60
    assert job["metadata"]["labels"].items() >= {"kueue.x-k8s.io/priority-class": "high"}.items()


@pytest.mark.parametrize(
    ("kind", "patch", "path"),
    [
        ("TrainJob", {"spec": {"runtimePatches": []}}, "overlays.TrainJob.spec.runtimePatches"),
        ("TrainJob", {"spec": {"trainer": {"image": "other"}}}, "overlays.TrainJob.spec.trainer.image"),
        ("TrainingRuntime", {"spec": {"mlPolicy": {"mpi": {}}}}, "overlays.TrainingRuntime.spec.mlPolicy.mpi"),
        (
            "TrainingRuntime",
            {"spec": {"template": {"spec": {"failurePolicy": {"maxRestarts": 3}}}}},
            "overlays.TrainingRuntime.spec.template.spec.failurePolicy.maxRestarts",
        ),
    ],
)
def test_what_would_take_a_gang_out_of_its_run_is_refused(kind: str, patch: dict[str, object], path: str) -> None:
    with pytest.raises(SpecError) as refused:
        train_job.render(gang(overlays=(Overlay(kind=kind, patch=patch),)))
    assert [each.path for each in refused.value.faults] == [path]
