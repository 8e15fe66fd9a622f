from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.specs.contexts import Context
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Jax, Ray, Role, Torch
from fairlead.specs.steps import ContainerStep, Environment, FunctionStep, Overlay, Secret, Volume
from fairlead.specs.volumes import Csi
from fairlead.targets.hardware import devices_per_node
from fairlead.targets.refusals import label_refusals, refusals, step_refusals
from fairlead.targets.resources import resources
from fairlead.targets.scheduling import scheduling
from targets.goldens import CONTEXT
from targets.refused import STEP
from targets.strategies import one_step


def work(**fields: Any) -> FunctionStep:
    return FunctionStep(name="work", function="mod:work", **fields)


def volume(name: str = "v", path: str = "/v", claim: str | None = "c", **fields: Any) -> Volume:
    return Volume(name=name, path=path, claim=claim, **fields)


@pytest.mark.parametrize(
    ("step", "path"),
    [
        (ContainerStep(name="c", image="{{x}}", command=("true",)), "image"),
        (work(runtime=Torch(nodes=2, roles={"master": Role()})), "runtime.roles"),
        (work(resources=Resources(gpus="tpu-v5e:4x4")), "resources.gpus"),
        (work(resources=Resources(gpus="tpu-v5e:4x4"), runtime=Jax(nodes=2)), "resources.gpus"),
        (work(overlays=(Overlay(kind="pod", patch={}),)), "overlays"),
        (work(overlays=(Overlay(kind="Pod", patch={"a": [{"b": "{{=1}}"}]}),)), "overlays"),
        (work(labels={"fairlead.dev/run": "other"}), "labels.fairlead.dev/run"),
        (work(labels={"team": "a b"}), "labels.team"),
        (work(queue="Team A"), "queue"),
        (work(priority="very high"), "priority"),
        (work(environment=Environment(image="{{workflow.name}}")), "environment.image"),
        (work(environment=Environment(secrets=(Secret(name="S_1", key="k", variable="V"),))), "environment.secrets[0].name"),
        (work(environment=Environment(secrets=(Secret(name="s", key="a/b", variable="V"),))), "environment.secrets[0].key"),
        (work(environment=Environment(packages=("a==1", "pandas>=2"))), "environment.packages[1]"),
        (work(volumes=(volume(claim=None, size="1Gi", storage_class="Fast"),)), "volumes[0].storage_class"),
        (work(volumes=(volume(claim=None, csi=Csi(driver="No Driver")),)), "volumes[0].csi.driver"),
        (work(volumes=(volume(claim=None, csi=Csi(driver="d", secret="A"),),)), "volumes[0].csi.secret"),
        (work(volumes=(volume(claim=None, csi=Csi(driver="d", attributes={"a": "{{x}}"}),),)), "volumes[0].csi.attributes"),
        (work(volumes=(volume(sub_path="{{x}}"),)), "volumes[0].sub_path"),
        (work(volumes=(volume(annotations={"a": "{{x}}"}),)), "volumes[0].annotations"),
        (work(volumes=(volume(annotations={"fairlead.dev/gang": "x"}),)), "volumes[0].annotations.fairlead.dev/gang"),
        (work(runtime=Torch(nodes=2), volumes=(volume(claim=None, size="1Gi", lasts="run"),)), "volumes[0].access_mode"),
        (work(runtime=Ray(), volumes=(volume(claim=None, size="1Gi", lasts="run"),)), "volumes[0].access_mode"),
        (work(volumes=(volume(claim="A"),)), "volumes[0].claim"),
        (work(volumes=(volume(name="tmp"),)), "volumes[0].name"),
        (work(volumes=(volume(path="/tmp/"),)), "volumes[0].path"),
        (work(volumes=(volume(), volume(name="w"))), "volumes[1].path"),
        (work(volumes=(volume(), volume(path="/w"))), "volumes[1].name"),
    ],
)  # fmt: skip
def test_a_cluster_can_not_run(step: Any, path: str) -> None:
    assert [fault.path for fault in step_refusals(step)] == [path]


def test_a_graph_is_refused_with_every_path_and_a_context_with_what_it_lacks() -> None:
    context = Context(name="c", store="s3://b")
    found = {fault.path for fault in refusals(one_step(work(queue="Team A")), context)}
    assert found == {"", "steps.work.environment.image", "steps.work.queue"}
    assert not list(refusals(one_step(STEP), CONTEXT))


@pytest.mark.parametrize("other", [{"size": "2Gi"}, {"storage_class": "fast"}, {"access_mode": "ReadWriteMany"}])
def test_steps_that_share_a_volume_say_the_same_of_it(other: dict[str, Any]) -> None:
    shared: dict[str, Any] = {"claim": None, "size": "1Gi", "lasts": "run"}
    one = work(volumes=(volume(**shared),))
    two = msgspec.structs.replace(one, name="two", volumes=(volume(path="/elsewhere", **{**shared, **other}),))
    graph = Graph(flow="f", steps={"work": one, "two": two}, nodes=(Node(step="work"), Node(step="two")))
    assert [fault.path for fault in refusals(graph, CONTEXT)] == [f"steps.two.volumes[0].{next(iter(other))}"]
    same = msgspec.structs.replace(two, volumes=(volume(path="/elsewhere", **shared),))
    assert not list(refusals(msgspec.structs.replace(graph, steps={"work": one, "two": same}), CONTEXT))


def test_labels_of_a_run_are_such_as_objects_can_have() -> None:
    wrong = {"a b": "1", "-x.example/a": "1", "ok": "äö", "fairlead.dev/owner": "me"}
    assert {fault.path for fault in label_refusals(wrong)} == {f"labels.{key}" for key in wrong}
    assert not list(label_refusals({"example.com/team": "vision", "empty": ""}))


@pytest.mark.parametrize(
    ("gpus", "nodes", "devices"),
    [
        ("tpu-v5e:2x2", 1, 4), ("tpu-v5e:2x4", 1, 8), ("tpu-v5e:2x4", 2, 4), ("tpu-v5e:4x4", 4, 4), ("tpu-v4:2x2x2", 2, 4),
        ("tpu-v4:2x2x2", 1, None), ("tpu-v5e:2x2", 2, None), ("A100:2", 4, 2),
    ],
)  # fmt: skip
def test_a_slice_is_shared_out_among_the_nodes_of_a_gang(gpus: str, nodes: int, devices: int | None) -> None:
    assert devices_per_node(work(resources=Resources(gpus=gpus), runtime=Jax(nodes=nodes))) == devices


def test_every_quantity_is_one_that_kubernetes_reads() -> None:
    found = resources(
        CONTEXT, work(resources=Resources(cpu=0.5, memory="1.5Gi", disk="2G", gpus="A100-MIG-1g.5gb+me:1"))
    )
    assert found["limits"] == found["requests"] == {
        "cpu": "500m", "memory": "1610612736", "ephemeral-storage": "2000000000", "nvidia.com/mig-1g.5gb.me": "1",
    }  # fmt: skip


def test_a_slice_is_found_by_its_accelerator_and_topology() -> None:
    found = scheduling(CONTEXT, work(resources=Resources(gpus="tpu-v5e:4x4")))
    assert found["nodeSelector"] == {
        "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
        "cloud.google.com/gke-tpu-topology": "4x4",
    }


def test_only_steps_that_allow_it_go_where_capacity_is_reclaimed() -> None:
    assert scheduling(CONTEXT, work()) == {}
    keys = [each["key"] for each in scheduling(CONTEXT, work(spot=True))["tolerations"]]
    assert keys == ["cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority"]


def test_the_priority_of_a_step_comes_before_that_of_its_context() -> None:
    context = CONTEXT.__class__(name="c", store="s3://b", priority="low")
    assert scheduling(context, work())["priorityClassName"] == "low"
    assert scheduling(context, work(priority="high"))["priorityClassName"] == "high"
