"""The kinds of the Training Operator, held against the manifests that its own project shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Jax, TensorFlow, Torch
from fairlead.specs.steps import Environment, FunctionStep, Overlay, Retries, Volume
from fairlead.targets.pods import CONTAINER
from fairlead.targets.training import jax_job, pytorch_job, tf_job
from fairlead.targets.training.target import Gang, Target
from targets.refused import PLACE
from testbed import versions

COMPONENT = versions.component("training-operator")
MODULES = Path(os.environ.get("GOMODCACHE") or Path(os.environ.get("GOPATH") or Path.home() / "go") / "pkg/mod")
EXAMPLES = MODULES / f"{COMPONENT.module}@{COMPONENT.version}/examples"


def gang(step: FunctionStep) -> Gang:
    return Gang(PLACE, step, step.name, 0, 1)


def fit(image: str, **fields: Any) -> FunctionStep:
    return FunctionStep(name="fit", function="m:f", environment=Environment(image=image), **fields)


OURS = "ghcr.io/kubeflow/training-v1"
SAMPLES: dict[str, tuple[Target, FunctionStep]] = {
    "jax/cpu-demo/demo.yaml": (jax_job.TARGET, fit(f"{OURS}/jaxjob-simple:latest", runtime=Jax(nodes=2))),
    "jax/jax-dist-spmd-mnist/jaxjob_dist_spmd_mnist_gloo.yaml": (
        jax_job.TARGET, fit(f"{OURS}/jaxjob-dist-spmd-mnist:latest", runtime=Jax(nodes=2)),
    ),
    "tensorflow/simple.yaml": (
        tf_job.TARGET, fit(f"{OURS}/tf-mnist-with-summaries:latest", runtime=TensorFlow(nodes=2)),
    ),
    "tensorflow/distribution_strategy/multi_worker_tfjob.yaml": (
        tf_job.TARGET,
        fit(
            f"{OURS}/tf-multi-worker-strategy:latest",
            runtime=TensorFlow(nodes=2),
            resources=Resources(gpus="A100-40GB:1"),
            volumes=(Volume(name="training", path="/train", claim="strategy-volume"),),
        ),
    ),
    "pytorch/elastic/echo/echo.yaml": (
        pytorch_job.TARGET,
        fit(
            f"{OURS}/pytorch-elastic-example-echo:latest",
            runtime=Torch(nodes=2, nodes_min=1),
            retries=Retries(infrastructure=100),
        ),
    ),
}  # fmt: skip
"""What Fairlead can say too; the others have a Master, a chief, parameter servers or a rule of growing."""

ON_PURPOSE = {
    "metadata.name": "it is a function of the run",
    "metadata.namespace": "it is the context's",
    "restartPolicy": "Fairlead tries again, with its own two budgets",
    "cleanPodPolicy": "with its first pod that fails a gang ends",
    "command": "the worker is what starts",
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_both_say_is_said_as_upstream_says_it(sample: str) -> None:
    if not EXAMPLES.is_dir():
        pytest.skip(f"the module is not in Go's cache: go mod download {COMPONENT.module}@{COMPONENT.version}")
    target, step = SAMPLES[sample]
    (made,) = target.render(gang(step))
    theirs = yaml.safe_load((EXAMPLES / sample).read_text("utf-8"))
    compared = list(both(made, theirs))
    assert len(compared) >= 5
    for path, own, upstream in compared:
        if not any(path.endswith(each) for each in ON_PURPOSE):
            assert own == upstream or (".resources." in path and own == str(upstream)), path


def both(own: Any, theirs: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the leaves that two documents have both, and what one of roles and of containers is there."""
    if isinstance(own, dict) and isinstance(theirs, dict):
        if path.endswith("ReplicaSpecs"):
            yield f"{path} roles", sorted(own), sorted(theirs)
        for name in own.keys() & theirs.keys():
            yield from both(own[name], theirs[name], f"{path}.{name}".lstrip("."))
    elif isinstance(own, list) and isinstance(theirs, list) and all(isinstance(each, dict) for each in theirs):
        for each in theirs:
            found = next((item for item in own if item["name"] == each["name"]), None)
            if path.endswith("env"):
                continue  # each has variables of its own
            assert found is not None, f"{path}: {each['name']}"
            yield from both(found, each, f"{path}[{each['name']}]")
    else:
        yield path, own, theirs


def test_a_gang_of_torch_says_how_many_processes_a_node_has_in_a_text() -> None:
    (made,) = pytorch_job.TARGET.render(gang(fit("i", runtime=Torch(nodes=2, processes_per_node=2))))
    assert made["spec"]["nprocPerNode"] == "2"
    assert "elasticPolicy" not in made["spec"]
    assert set(made["spec"]["pytorchReplicaSpecs"]) == {"Worker"}


def test_a_tensorflow_job_ends_when_all_of_its_workers_have() -> None:
    """Else the operator takes the others away when worker 0 has ended, before they have left their records."""
    (made,) = tf_job.TARGET.render(gang(fit("i", runtime=TensorFlow(nodes=2))))
    assert made["spec"]["successPolicy"] == "AllWorkers"


def test_a_node_that_is_lost_does_not_end_an_elastic_gang() -> None:
    (made,) = pytorch_job.TARGET.render(gang(fit("i", runtime=Torch(nodes=4, nodes_min=2))))
    assert made["spec"]["pytorchReplicaSpecs"]["Worker"]["restartPolicy"] == "ExitCode"
    assert made["spec"]["runPolicy"].keys() == {"cleanPodPolicy", "ttlSecondsAfterFinished"}
    assert made["spec"]["runPolicy"]["cleanPodPolicy"] == "None"


def test_overlays_of_the_pod_name_its_container_main_and_those_of_the_job_as_the_operator_does() -> None:
    def env(name: str, container: str) -> dict[str, Any]:
        return {"containers": [{"name": container, "env": [{"name": name, "value": "1"}]}]}

    worker = {"spec": {"pytorchReplicaSpecs": {"Worker": {"template": {"spec": env("B", "pytorch")}}}}}
    step = fit("i", runtime=Torch(nodes=2))
    both_kinds = (Overlay(kind="Pod", patch=env("A", "main")), Overlay(kind="PyTorchJob", patch=worker))
    (made,) = pytorch_job.TARGET.render(gang(msgspec.structs.replace(step, overlays=both_kinds)))
    template = made["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]
    (container,) = template["spec"]["containers"]
    assert template["metadata"]["annotations"][CONTAINER] == container["name"] == "pytorch"
    assert {"A", "B", "FAIRLEAD_NODE"} <= {each["name"] for each in container["env"]}
