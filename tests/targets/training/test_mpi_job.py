"""The MPI Operator's jobs: what upstream's own manifest says, what the launcher has, and what can't be had."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
import yaml

from fairlead.engines.kubernetes.submitting import kind_of
from fairlead.errors import SpecError
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Mpi
from fairlead.specs.steps import Environment, FunctionStep, Overlay, Secret, Volume
from fairlead.targets.training import mpi_job, mpi_job_v1, table
from fairlead.targets.training.target import Gang, Target
from targets.refused import PLACE
from targets.training.test_training_operator import both
from testbed import versions

COMPONENT = versions.component("mpi-operator")
MODULES = Path(os.environ.get("GOMODCACHE") or Path(os.environ.get("GOPATH") or Path.home() / "go") / "pkg/mod")
EXAMPLE = MODULES / f"{COMPONENT.module}@{COMPONENT.version}/examples/v2beta1/pi/pi.yaml"
STEP = FunctionStep(
    name="pi",
    function="m:f",
    runtime=Mpi(nodes=2, processes_per_node=4),
    resources=Resources(cpu=1, memory="1Gi", gpus="A100-40GB:1"),
    environment=Environment(image="mpi:1", secrets=(Secret(name="hub", key="token", variable="HUB_TOKEN"),)),
    volumes=(Volume(name="data", path="/data", claim="data"),),
)
ON_PURPOSE = {
    "metadata.name": "it is a function of the run",
    "sshAuthMountPath": "the user has no home that is known",
    "slotsPerWorker": "the step says how many",
    "ttlSecondsAfterFinished": "as for everything that is kept",
}


def gang(step: FunctionStep = STEP) -> Gang:
    return Gang(PLACE, step, step.name, 0, 1)


def test_what_both_say_is_said_as_upstream_says_it() -> None:
    if not EXAMPLE.exists():
        pytest.skip(f"the module is not in Go's cache: go mod download {COMPONENT.module}@{COMPONENT.version}")
    (made,) = mpi_job.render(gang())
    theirs = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    for role in theirs["spec"]["mpiReplicaSpecs"].values():
        del role["template"]  # whose images, users and commands are of their own
    compared = {path: (own, upstream) for path, own, upstream in both(made, theirs)}
    assert compared.keys() >= {
        "apiVersion", "kind", "spec.mpiReplicaSpecs roles", "spec.mpiReplicaSpecs.Launcher.replicas",
        "spec.mpiReplicaSpecs.Worker.replicas", "spec.runPolicy.cleanPodPolicy",
    }  # fmt: skip
    for path, (own, upstream) in compared.items():
        if not any(path.endswith(each) for each in ON_PURPOSE):
            assert own == upstream, path


def test_the_launcher_has_the_image_of_the_step_and_nothing_that_it_works_with() -> None:
    (made,) = mpi_job.render(gang())
    launcher = made["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]
    (container,) = launcher["containers"]
    assert container["image"] == "mpi:1"
    assert not any("gpu" in name for name in container["resources"]["limits"])
    assert "HUB_TOKEN" not in {each["name"] for each in container["env"]}
    assert all("persistentVolumeClaim" not in each for each in launcher["volumes"])
    assert "nodeSelector" not in launcher and "tolerations" not in launcher


def test_overlays_of_pods_are_the_launchers_too_and_those_of_the_job_name_the_implementation() -> None:
    overlays = (
        Overlay(kind="Pod", patch={"imagePullSecrets": [{"name": "hub"}]}),
        Overlay(kind="MPIJob", patch={"spec": {"mpiImplementation": "MPICH"}}),
    )
    (made,) = mpi_job.render(gang(FunctionStep(name="pi", function="m:f", runtime=Mpi(), overlays=overlays)))
    assert made["spec"]["mpiImplementation"] == "MPICH"
    for role in ("Launcher", "Worker"):
        spec = made["spec"]["mpiReplicaSpecs"][role]["template"]["spec"]
        assert spec["imagePullSecrets"] == [{"name": "hub"}]


def test_an_overlay_can_not_put_ranks_into_the_launcher() -> None:
    overlays = (Overlay(kind="MPIJob", patch={"spec": {"runLauncherAsWorker": True}}),)
    with pytest.raises(SpecError) as refused:
        mpi_job.render(gang(FunctionStep(name="pi", function="m:f", runtime=Mpi(), overlays=overlays)))
    assert [each.path for each in refused.value.faults] == ["overlays.MPIJob.spec.runLauncherAsWorker"]


@pytest.mark.parametrize(
    ("volume", "path"),
    [
        (Volume(name="ssh-auth", path="/data", claim="c"), "volumes[0].name"),
        (Volume(name="keys", path="/fairlead-ssh/", claim="c"), "volumes[0].path"),
    ],
)
def test_what_the_operator_puts_into_a_pod_a_step_can_not_have_there(volume: Volume, path: str) -> None:
    step = FunctionStep(name="pi", function="m:f", runtime=Mpi(), volumes=(volume,))
    assert [each.path for each in mpi_job.TARGET.faults(step)] == [path]


@pytest.mark.parametrize(
    ("versions_served", "asked", "name"),
    [
        ({"v2beta1"}, {}, "mpijob"),
        ({"v1", "v2beta1"}, {}, "mpijob"),
        ({"v1", "v2beta1"}, {"mpi": "mpijob-v1"}, "mpijob-v1"),
        ({"v1"}, {}, "trainjob"),
        ({"v1"}, {"mpi": "mpijob-v1"}, "mpijob-v1"),
        ({"v1"}, {"mpi": "mpijob"}, None),
        ({"v2beta1"}, {"mpi": "mpijob-v1"}, None),
    ],
)
def test_components_that_have_one_kind_are_told_apart_by_its_version_and_version_1_is_asked_for(
    versions_served: set[str], asked: dict[str, str], name: str | None
) -> None:
    def is_served(target: Target) -> bool:
        return all(each.kind != "MPIJob" or each.version in versions_served for each in target.resources)

    chosen, faults = table.choose({"pi": STEP}, asked, is_served)
    assert chosen.get("mpi") == name
    assert [each.path for each in faults] == ([] if name else ["steps.pi.runtime"])


def test_each_version_is_created_as_what_it_is() -> None:
    made = [target.render(gang())[-1] for target in (mpi_job.TARGET, mpi_job_v1.TARGET)]
    assert [kind_of(each).api_version for each in made] == ["kubeflow.org/v2beta1", "kubeflow.org/v1"]


def test_version_1_refuses_a_queue_which_would_not_be_heeded() -> None:
    (fault,) = mpi_job_v1.TARGET.faults(msgspec.structs.replace(STEP, queue="gpus"))
    assert fault.path == "queue"


def test_in_version_1_only_the_launcher_has_the_token_of_an_account_and_of_the_one_that_the_operator_makes() -> None:
    (made,) = mpi_job_v1.render(gang())
    launcher, worker = (made["spec"]["mpiReplicaSpecs"][role]["template"]["spec"] for role in ("Launcher", "Worker"))
    assert launcher["automountServiceAccountToken"] and "serviceAccountName" not in launcher
    assert not worker["automountServiceAccountToken"]
    assert made["spec"]["mainContainer"] == worker["containers"][0]["name"]
