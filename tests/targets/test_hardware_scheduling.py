"""Kubernetes' own scheduler places each step on the node that advertises its hardware, and on no other.

The nodes are what device plugins, feature discovery and DRA drivers would make of real ones, and nothing runs there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import msgspec
import pytest

from engines.local.driving import wait_for
from fairlead.kube.client import EVERYWHERE, Client
from fairlead.kube.failures import AlreadyExists
from fairlead.kube.resources import NAMESPACE, NODE, POD, RESOURCE_CLAIM_TEMPLATE, Kind
from fairlead.targets import hardware, pods
from fairlead.targets.fitting import never_fits
from servers.apiserver import ApiServer
from servers.fixtures import start_or_skip
from servers.schedulers import scheduling
from targets.goldens import submission, traced
from targets.test_hardware import FLOW, PLACE

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(600)]

DEVICE_CLASS = Kind("resource.k8s.io", "v1", "DeviceClass", "deviceclasses", namespaced=False)
RESOURCE_SLICE = Kind("resource.k8s.io", "v1", "ResourceSlice", "resourceslices", namespaced=False)
NVIDIA = "nvidia.com/gpu"
PRODUCT = "nvidia.com/gpu.product"
PATIENCE_S = 330.0
"""The scheduler looks again after five minutes at what it held to fit nowhere, should it have missed that this changed."""


class Advertising(msgspec.Struct, frozen=True):
    """A node: what it has for pods, its labels, and the keys of its taints with their values."""

    has: dict[str, str]
    labels: dict[str, str] = {}
    taints: dict[str, str] = {}


NODES = {
    "plain": Advertising({}),
    "whole": Advertising({NVIDIA: "8"}, {PRODUCT: "NVIDIA-H100-80GB-HBM3"}, {NVIDIA: ""}),
    "mixed": Advertising({NVIDIA: "6", "nvidia.com/mig-1g.10gb.me": "2"}, {PRODUCT: "NVIDIA-A100-SXM4-80GB"}),
    "single": Advertising({NVIDIA: "16"}, {PRODUCT: "NVIDIA-A100-SXM4-40GB-MIG-3g.20gb"}, {NVIDIA: "present"}),
    "t4": Advertising({NVIDIA: "4"}, {PRODUCT: "Tesla-T4-SHARED", "pool": "spare"}, {"team": "notebooks", "spare": "x"}),
    "l4": Advertising({"nvidia.com/gpu.shared": "4"}, {"nvidia.com/gpu.sharing-strategy": "mps"}),
    "h200": Advertising({}, {}, {NVIDIA: ""}),
    "mi300x": Advertising({"amd.com/gpu": "8"}, {"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM"}),
    "trn1": Advertising({"aws.amazon.com/neuron": "16", "vpc.amazonaws.com/efa": "8"}, {}, {"aws.amazon.com/neuron": ""}),
    "inf2": Advertising({"aws.amazon.com/neuroncore": "4"}),
    "gaudi2": Advertising({"habana.ai/gaudi": "8", "hugepages-2Mi": "80000Mi"}),
    "tpu": Advertising(
        {"google.com/tpu": "4"},
        {
            "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
            "cloud.google.com/gke-tpu-topology": "4x4",
        },
        {"google.com/tpu": "present"},
    ),
    "b200": Advertising({NVIDIA: "8", "rdma/rdma_shared_device_a": "63"}, {PRODUCT: "NVIDIA-B200"}),
}  # fmt: skip
PLACES = {
    "whole": "whole", "mixed": "mixed", "single": "single", "sliced_in_time": "t4", "shared_by_mps": "l4",
    "claimed": "h200", "claimed_slice": "h200", "claimed_gang": "h200", "amd": "mi300x", "neuron": "trn1", "cores": "inf2",
    "gaudi": "gaudi2", "tpu": "tpu", "rdma": "b200",
}  # fmt: skip


def node(name: str) -> dict[str, Any]:
    each = NODES[name]
    taints = [{"key": key, "value": value, "effect": "NoSchedule"} for key, value in each.taints.items()]
    allocatable = {"cpu": "64", "memory": "512Gi", "pods": "50", **each.has}
    return {
        "metadata": {"name": name, "labels": {**each.labels, "kubernetes.io/hostname": name}},
        "spec": {"taints": taints},
        "status": {"allocatable": allocatable, "capacity": allocatable},
    }


@pytest.fixture(scope="module")
def placing(api_server: ApiServer) -> Iterator[Client]:
    """The nodes, the devices of one of them, and what places pods."""
    client = Client(api_server.connection(namespace="ml"))
    with suppress(AlreadyExists):
        client.create(NAMESPACE, {"metadata": {"name": "ml"}})
    for left in client.list(POD, namespace=EVERYWHERE).items:  # by other tests: it would be placed on these nodes first
        client.delete(POD, left["metadata"]["name"], namespace=left["metadata"]["namespace"], grace_s=0)
    for name in NODES:
        client.create(NODE, node(name))  # which the server taints, as one that no kubelet has said anything of
        client.patch(NODE, name, {"spec": {"taints": node(name)["spec"]["taints"]}})
    for kind in ("gpu", "mig"):
        holds = f"device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == '{kind}'"
        spec = {"selectors": [{"cel": {"expression": holds}}]}
        client.create(DEVICE_CLASS, {"metadata": {"name": f"{kind}.nvidia.com"}, "spec": spec})
    for product, on in (("NVIDIA H200", "h200"), ("NVIDIA L40S", "plain")):
        client.create(RESOURCE_SLICE, {"metadata": {"name": on}, "spec": devices(product, on)})
    with ExitStack() as stack:
        start_or_skip(lambda: stack.enter_context(scheduling(api_server)))
        yield client
    for name in NODES:
        client.delete(NODE, name)
    for kind in ("gpu", "mig"):
        client.delete(DEVICE_CLASS, f"{kind}.nvidia.com")
    for name in ("h200", "plain"):
        client.delete(RESOURCE_SLICE, name)


def devices(product: str, on: str) -> dict[str, Any]:
    """Sixteen cards of a node and two slices."""
    common = {"productName": {"string": product}, "cudaComputeCapability": {"version": "9.0.0"}}
    cards = [{"name": f"gpu-{n}", "attributes": {"type": {"string": "gpu"}, **common}} for n in range(16)]
    cut = {"type": {"string": "mig"}, "profile": {"string": "1g.18gb"}, **common}
    slices = [{"name": f"mig-{n}", "attributes": cut} for n in range(2)]
    pool = {"name": on, "generation": 1, "resourceSliceCount": 1}
    return {"driver": "gpu.nvidia.com", "nodeName": on, "pool": pool, "devices": [*cards, *slices]}


def test_every_step_is_placed_where_its_hardware_is_and_fits_on_no_other_node(placing: Client) -> None:
    graph = traced(FLOW)
    place = submission(graph, PLACE)
    assert set(graph.steps) == set(PLACES)
    specs = {key: pods.rank_pod(place, step) for key, step in graph.steps.items()}
    for key, spec in specs.items():
        placing.create(POD, {"metadata": {"name": key.replace("_", "-")}, "spec": spec})
    for manifest in hardware.claims(place, graph.steps.values()):  # later than the pods, as a submission does it
        placing.create(RESOURCE_CLAIM_TEMPLATE, manifest)

    def pods_now() -> dict[str, Any]:
        return {each["metadata"]["name"].replace("-", "_"): each for each in placing.list(POD).items}

    try:
        with suppress(AssertionError):  # what has no place is said below, and why
            wait_for(lambda: all(each["spec"].get("nodeName") for each in pods_now().values()), patience_s=PATIENCE_S)
    finally:
        found = pods_now()
        for key in specs:
            placing.delete(POD, key.replace("_", "-"))
    assert {key: pod["spec"].get("nodeName") or pod["status"] for key, pod in found.items()} == PLACES
    for key, spec in specs.items():
        if "resourceClaims" not in spec:  # what is claimed does not count in `never_fits`
            assert [name for name in NODES if not never_fits({"spec": spec}, [node(name)])] == [PLACES[key]]
