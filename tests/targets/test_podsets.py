"""The pods of every kind that steps with ranks become: as many as the runtime says, each with its container."""

from __future__ import annotations

import pytest

from fairlead.specs.contexts import Context, Submission
from fairlead.specs.runtimes import Dask, Mpi, Ray, Runtime, Spark, Torch
from fairlead.specs.steps import FunctionStep
from fairlead.targets.podsets import pod_sets
from fairlead.targets.training.table import render, targets
from fairlead.targets.training.target import Gang

CONTEXT = Context(name="lab", store="s3://b/p", image="i", worker_image="w", namespace="team")


@pytest.mark.parametrize(
    ("target", "kind", "runtime", "counts"),
    [
        ("job", "torch", Torch(nodes=3), {"": 3}),
        ("jobset", "torch", Torch(nodes=3), {"": 3}),
        ("trainjob", "torch", Torch(nodes=3), {"": 3}),
        ("pytorchjob", "torch", Torch(nodes=3), {"Worker": 3}),
        ("mpijob", "mpi", Mpi(nodes=3), {"Launcher": 1, "Worker": 3}),
        ("rayjob", "ray", Ray(workers=3), {"headGroupSpec": 1, "workerGroupSpecs": 3}),
        ("sparkapplication", "spark", Spark(executors=3), {"driver": 1, "executor": 3}),
        ("daskjob", "dask", Dask(workers=3), {"job": 1, "scheduler": 1, "worker": 3}),
    ],
)  # fmt: skip
def test_pods_are_found_with_their_number(target: str, kind: str, runtime: Runtime, counts: dict[str, int]) -> None:
    step = FunctionStep(name="fit", function="m:fit", runtime=runtime)
    submission = Submission(
        run="00000000-000000-00000", flow="f", context=CONTEXT, namespace="team", targets={kind: target}
    )
    made = [each for manifest in render(Gang(submission, step, "fit", 0, 1)) for each in pod_sets(manifest)]
    assert target in targets()
    assert {each.role: each.count for each in made} == counts and len(made) == len(counts)
    assert all(each.template["spec"]["containers"] for each in made)
