"""A description of a cluster's hardware: what is wrong with one, and what steps become with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import SpecError
from fairlead.kube.client import Client
from fairlead.kube.failures import AlreadyExists
from fairlead.kube.resources import NAMESPACE, POD
from fairlead.runs import contexts
from fairlead.specs import documents
from fairlead.specs.contexts import context_faults
from fairlead.specs.hardware import Hardware, hardware_faults
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import RankRuntime, Role, Spark, Torch
from fairlead.specs.steps import FunctionStep
from fairlead.targets import hardware, job, naming, pods, workflow
from fairlead.targets.fitting import never_fits
from fairlead.targets.orders import Manifest, Order
from fairlead.targets.refusals import refusals
from fairlead.targets.training import indexed_job, spark_application
from fairlead.targets.training.target import Gang
from servers.apiserver import ApiServer
from specs.strategies import GPUS
from targets.goldens import CONTEXT, REPOSITORY, compare, submission, traced
from targets.strategies import one_step

FLOW = REPOSITORY / "tests/targets/flows/accelerators/flow.py"
KNOWN = contexts.read_hardware(str(FLOW.with_name("hardware.yaml")))
PLACE = msgspec.structs.replace(CONTEXT, hardware=KNOWN, queue="")


def described(text: dict[str, Any]) -> Hardware:
    return documents.convert(text, Hardware, source="hardware.yaml")


def work(gpus: str, nodes: int = 0) -> FunctionStep:
    ranks: dict[str, Any] = {"runtime": Torch(nodes=nodes)} if nodes else {}
    return FunctionStep(name="work", function="mod:work", resources=Resources(gpus=gpus), **ranks)


def compiled() -> Iterator[Manifest]:
    graph = traced(FLOW)
    place = submission(graph, PLACE)
    yield workflow.render(Order(place, graph, dict.fromkeys(range(len(graph.nodes)))))[0]
    yield from hardware.claims(place, graph.steps.values())
    for key, step in graph.steps.items():
        if isinstance(step.runtime, RankRuntime):
            yield from indexed_job.render(Gang(place, step, key, 0, 1))
        else:
            yield job.called(place, step, key, 0)


def test_steps_compile_to_what_the_hardware_says_and_none_of_them_is_refused() -> None:
    assert list(context_faults(PLACE)) == list(refusals(traced(FLOW), PLACE)) == []
    compare(FLOW.with_name("described.golden.yaml"), list(compiled()))


@pytest.mark.apiserver
def test_a_real_api_server_admits_their_pods_in_a_restricted_namespace(api_server: ApiServer) -> None:
    client = Client(api_server.connection(namespace="ml"))
    with suppress(AlreadyExists):
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        client.create(NAMESPACE, {"metadata": {"name": "ml", "labels": labels}})
    graph = traced(FLOW)
    place = submission(graph, PLACE)
    for step in graph.steps.values():
        metadata = {"generateName": "p-", "annotations": hardware.device_annotations(PLACE, step)}
        client.create(POD, {"metadata": metadata, "spec": pods.rank_pod(place, step)}, dry_run=True)


def container(gpus: str, has: dict[str, Any], nodes: int = 0) -> dict[str, Any]:
    context = msgspec.structs.replace(PLACE, hardware=described({"accelerators": has}))
    place = submission(one_step(work(gpus)), context)
    found: dict[str, Any] = pods.rank_pod(place, work(gpus, nodes))
    return found


@pytest.mark.parametrize(
    ("gpus", "has", "resource", "products"),
    [
        ("A100:2", {"A100": {"products": ["NVIDIA A100-SXM4-40GB"]}}, ("nvidia.com/gpu", "2"), ["NVIDIA-A100-SXM4-40GB"]),
        ("A100-MIG-1g.5gb:2", {"A100": {"products": ["NVIDIA A"]}}, ("nvidia.com/mig-1g.5gb", "2"), ["NVIDIA-A"]),
        ("A100-MIG-1g.5gb:2", {"A100": {"resource": "a.b/c", "units": 3}}, ("nvidia.com/mig-1g.5gb", "2"), None),
        ("A100-MIG-1g.5gb:2", {"A100-MIG-1g.5gb": {"resource": "a.b/c"}}, ("a.b/c", "2"), None),
        (
            "A100-MIG-1g.5gb:1", {"A100": {}, "A100-MIG-1g.5gb": {"mig": "single", "products": ["NVIDIA A"]}},
            ("nvidia.com/gpu", "1"), ["NVIDIA-A-MIG-1g.5gb"],
        ),
        ("T4:1", {"T4": {"sharing": "time-slicing", "products": ["Tesla T4"]}}, ("nvidia.com/gpu", "1"), ["Tesla-T4-SHARED"]),
        (
            "T4:1", {"T4": {"sharing": "mps", "resource": "nvidia.com/gpu.shared", "products": ["Tesla T4"]}},
            ("nvidia.com/gpu.shared", "1"), ["Tesla-T4"],
        ),
        ("trn1:16", {"trainium": {"resource": "aws.amazon.com/neuroncore", "units": 2}}, ("aws.amazon.com/neuroncore", "32"), None),
    ],
)  # fmt: skip
def test_devices_are_counted_and_found_as_nodes_advertise_them(
    gpus: str, has: dict[str, Any], resource: tuple[str, str], products: list[str] | None
) -> None:
    pod = container(gpus, has)
    assert resource in pod["containers"][0]["resources"]["limits"].items()
    term = {"matchExpressions": [{"key": "nvidia.com/gpu.product", "operator": "In", "values": products}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    assert pod.get("affinity") == ({"nodeAffinity": required} if products else None)


def test_a_pod_fits_on_a_node_that_advertises_what_the_hardware_says_and_on_no_other() -> None:
    """With the labels, resources and taints that a device plugin and feature discovery would give a node."""
    pod = {"spec": container("A100-MIG-3g.20gb:1", {"A100-MIG-3g.20gb": {"mig": "single", "products": ["NVIDIA A"]}})}
    node: dict[str, Any] = {
        "metadata": {"name": "n", "labels": {"nvidia.com/gpu.product": "NVIDIA-A-MIG-3g.20gb"}},
        "spec": {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]},
        "status": {"allocatable": {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "14"}},
    }
    assert never_fits(pod, [node]) == ""
    whole = {**node, "metadata": {"name": "n", "labels": {"nvidia.com/gpu.product": "NVIDIA-A"}}}
    assert "node affinity" in never_fits(pod, [whole])


def test_what_goes_with_devices_is_counted_by_them_or_by_node_and_the_network_is_for_several_nodes_alone() -> None:
    entry = {
        "per_device": {"hugepages-2Mi": "500Mi"}, "per_node": {"a.b/c": 1}, "annotations": {"own": "1"},
        "gangs": {"per_device": {"rdma/x": 1}, "per_node": {"vpc.amazonaws.com/efa": 4}, "annotations": {"nets": "n"}},
    }  # fmt: skip
    alone = container("H100:8", {"H100": entry})["containers"][0]["resources"]["limits"]
    assert (alone["hugepages-2Mi"], alone["a.b/c"]) == ("4000Mi", "1")
    assert not {"rdma/x", "vpc.amazonaws.com/efa"} & alone.keys()
    several = container("H100:8", {"H100": entry}, nodes=2)["containers"][0]["resources"]
    assert (several["limits"]["rdma/x"], several["limits"]["vpc.amazonaws.com/efa"]) == ("8", "4")
    assert several["requests"]["rdma/x"] == "8"
    context = msgspec.structs.replace(PLACE, hardware=described({"accelerators": {"H100": entry}}))
    assert hardware.device_annotations(context, work("H100:8")) == {"own": "1"}
    assert hardware.device_annotations(context, work("H100:8", 2)) == {"own": "1", "nets": "n"}
    assert pods.step_annotations(context, work("H100:8", 2)) == {}  # of the pod that waits for the gang
    assert hardware.device_annotations(context, FunctionStep(name="w", function="m:f")) == {}


# Claims --------------------------------------------------------------------------------------


def test_pods_of_a_run_that_want_the_same_devices_share_a_template_and_others_do_not() -> None:
    place = submission(one_step(work("H200:1")), PLACE)
    steps = [work("H200:4"), work("H200:4", 2), work("H200:2"), work("H200-MIG-1g.18gb:1"), work("H100:1")]
    found = hardware.claims(place, steps)
    assert [naming.PREFIX + "order" in each["metadata"]["annotations"] for each in found] == [True] * 3
    names = [each["metadata"]["name"] for each in found]
    assert len(set(names)) == 3
    for step, name in zip(steps, [names[0], *names], strict=False):
        pod = pods.rank_pod(place, step)
        assert pod["resourceClaims"] == [{"name": "accelerators", "resourceClaimTemplateName": name}]
        asked = pod["containers"][0]["resources"]
        assert asked["claims"] == [{"name": "accelerators"}] and "nvidia.com/gpu" not in asked["limits"]
    assert "resourceClaims" not in pods.rank_pod(place, steps[-1])
    later = msgspec.structs.replace(place, generation=2)
    assert not {each["metadata"]["name"] for each in hardware.claims(later, steps)} & set(names)


def test_slices_of_cards_that_are_claimed_are_claimed_of_their_own_class() -> None:
    place = submission(one_step(work("H200:1")), PLACE)
    (found,) = hardware.claims(place, [work("H200-MIG-1g.18gb:2")])
    exactly = found["spec"]["spec"]["devices"]["requests"][0]["exactly"]
    assert (exactly["deviceClassName"], exactly["count"]) == ("mig.nvidia.com", 2)
    expressions = [each["cel"]["expression"] for each in exactly["selectors"]]
    assert expressions[:2] == [
        "device.attributes['gpu.nvidia.com'].productName in ['NVIDIA H200']",
        "device.attributes['gpu.nvidia.com'].profile == '1g.18gb'",
    ]


def of_spark(driver: str) -> FunctionStep:
    roles = {"driver": Role(resources=Resources(gpus=driver))}
    return msgspec.structs.replace(work("H200:1"), runtime=Spark(executors=2, roles=roles))


def test_roles_of_a_cluster_claim_devices_of_their_own() -> None:
    step = of_spark("H200-MIG-1g.18gb:1")
    place = submission(one_step(step), PLACE)
    classes = {
        each["metadata"]["name"]: each["spec"]["spec"]["devices"]["requests"][0]["exactly"]["deviceClassName"]
        for each in hardware.claims(place, [step])
    }
    (made,) = spark_application.render(Gang(place, step, "work", 0, 1))
    for role, name in (("driver", "mig.nvidia.com"), ("executor", "gpu.nvidia.com")):
        (claim,) = made["spec"][role]["template"]["spec"]["resourceClaims"]
        assert classes[claim["resourceClaimTemplateName"]] == name
        assert "gpu" not in made["spec"][role]  # which is an extended resource's


def test_a_role_is_refused_what_the_hardware_does_not_have() -> None:
    context = msgspec.structs.replace(PLACE, hardware=described({"accelerators": {"H200": {}}}))
    (fault,) = refusals(one_step(of_spark("T4:1")), context)
    assert fault.path == "steps.work.runtime.roles.driver.resources.gpus"
    assert fault.message == "the context's hardware has no T4; it has H200"


# Refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpus", "has", "why"),
    [
        ("H100:1", {"A100": {}, "T4": {}}, "the context's hardware has no H100; it has A100-40GB, T4"),
        ("nvidia:1", {"T4": {}}, "the context's hardware has no nvidia; it has T4"),
        ("A100:1", {"A100-MIG-3g.20gb": {"mig": "single"}}, "the context's hardware has no A100-40GB; it has A100-40GB-MIG-3g.20gb"),
        (
            "A100-MIG-1g.5gb:1", {"A100-MIG-3g.20gb": {"mig": "single"}},
            "the context's hardware has no A100-40GB-MIG-1g.5gb; it has A100-40GB-MIG-3g.20gb",
        ),
        ("A100-MIG-1g.5gb:1", {"A100": {"mig": "none"}}, "the context's hardware has no A100-40GB-MIG-1g.5gb; it has A100-40GB"),
        ("T4:2", {"T4": {"sharing": "mps"}}, "2 of T4 are shares (mps), which may be of one card: ask for 1"),
    ],
)  # fmt: skip
def test_what_the_hardware_can_not_give_is_refused_before_it_is_submitted(
    gpus: str, has: dict[str, Any], why: str
) -> None:
    context = msgspec.structs.replace(PLACE, hardware=described({"accelerators": has}))
    (fault,) = refusals(one_step(work(gpus)), context)
    assert (fault.path, fault.message) == ("steps.work.resources.gpus", why)
    with pytest.raises(SpecError, match="can't run on a cluster"):
        job.called(submission(one_step(work(gpus)), context), work(gpus), "work", 0)


@given(gpus=GPUS)
def test_a_description_without_accelerators_refuses_none_and_changes_none(gpus: str) -> None:
    bare = msgspec.structs.replace(PLACE, hardware=Hardware())
    none = msgspec.structs.replace(PLACE, hardware=None)
    assert list(hardware.hardware_refusals(work(gpus), bare)) == []
    assert hardware.device_resources(bare, work(gpus)) == hardware.device_resources(none, work(gpus))
    assert hardware.node_labels(bare, work(gpus)) == {}


@given(gpus=GPUS)
def test_what_was_refused_is_compiled_all_the_same_for_steps_that_have_ended_elsewhere(gpus: str) -> None:
    few = msgspec.structs.replace(
        PLACE, hardware=described({"accelerators": {"H200": {"device_class": "gpu.nvidia.com"}}})
    )
    if list(hardware.hardware_refusals(work(gpus), few)):
        assert pods.rank_pod(submission(one_step(work(gpus)), few), work(gpus))
        assert hardware.claims(submission(one_step(work(gpus)), few), [work(gpus)]) == []


ENTRY = "accelerators.T4."


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"resource": "gpu"}, "resource"), ({"units": 0}, "units"), ({"mig": "single"}, "mig"),
        ({"products": ["a\nb"]}, "products[0]"), ({"labels": {"a b": ["c"]}}, "labels.a b"), ({"labels": {"a": ["b c"]}}, "labels.a"),
        ({"labels": {"a": []}}, "labels.a"), ({"tolerations": [{"key": "a b"}]}, "tolerations[0].a b"),
        ({"selectors": ["true"]}, "selectors"), ({"device_class": "A"}, "device_class"),
        ({"device_class": "a", "resource": "a/b"}, "resource"), ({"device_class": "a", "units": 2}, "units"),
        ({"device_class": "a", "sharing": "mps"}, "sharing"), ({"per_device": {"cpu": "1"}}, "per_device.cpu"),
        ({"per_node": {"a/b": "1.5"}}, "per_node.a/b"), ({"gangs": {"per_node": {"a/b": 0}}}, "gangs.per_node.a/b"),
        ({"annotations": {"fairlead.dev/run": ""}}, "annotations.fairlead.dev/run"),
        ({"annotations": {"a b": ""}}, "annotations.a b"), ({"gangs": {"annotations": {"a": "{{b}}"}}}, "gangs.annotations.a"),
    ],
)  # fmt: skip
def test_every_fault_of_a_description_has_its_path(entry: dict[str, Any], path: str) -> None:
    assert [each.path for each in hardware_faults(described({"accelerators": {"T4": entry}}))] == [ENTRY + path]


def test_faults_of_names_and_of_marks_of_spot_nodes_have_their_paths_too() -> None:
    found = described(
        {
            "accelerators": {
                "A100": {}, "A100-40GB": {}, "A200": {}, "H100-MIG-9g": {}, "MI300X": {"products": ["x"], "sharing": "mps"},
                "A100-MIG-1g.5gb": {"mig": "none"}, "A100-MIG-2g.10gb": {"mig": "single", "sharing": "mps"}, "T4:1": {},
            },
            "spot": {"labels": {"a": "b c"}, "tolerations": [{"key": "a", "value": "b c"}]},
        }
    )  # fmt: skip
    assert [each.path for each in hardware_faults(found)] == [
        "accelerators.A100-40GB", "accelerators.A200", "accelerators.H100-MIG-9g", "accelerators.MI300X.sharing",
        "accelerators.MI300X.products", "accelerators.A100-MIG-1g.5gb.mig", "accelerators.A100-MIG-2g.10gb.sharing",
        "accelerators.T4:1", "spot.labels.a", "spot.tolerations[0].a",
    ]  # fmt: skip


@given(st.sampled_from(sorted(KNOWN.accelerators)))
def test_a_description_is_read_as_it_is_written(name: str) -> None:
    one = msgspec.structs.replace(KNOWN, accelerators={name: KNOWN.accelerators[name]})
    for text in (documents.to_json(one), documents.to_yaml(one)):
        assert documents.convert(documents.parse(text, source="x"), Hardware, source="x") == one
