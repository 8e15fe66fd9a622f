"""Devices that are claimed: a class that is there, enough of them on one node, and none that others have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.insight.planning.plans import judge, verdict_of
from fairlead.insight.planning.selectors import chosen
from fairlead.snapshots.parts import Part, Ref
from fairlead.specs.hardware import Advertised, Hardware
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import Overlay
from insight.pictures import node, thing
from insight.planning.flows import BIG, against, asks, cluster_wide, facts, fit, ids

DRIVER = "gpu.nvidia.com"
EXPRESSION = "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'gpu'"


def of_class(name: str = DRIVER, *expressions: str) -> dict[str, Any]:
    selectors = [{"cel": {"expression": each}} for each in expressions or (EXPRESSION,)]
    return cluster_wide("DeviceClass", name, spec={"selectors": selectors})


def slices(on: str, *devices: str, kind: str = "gpu", generation: int = 1, **more: Any) -> dict[str, Any]:
    listed = [{"name": each, "attributes": {"type": {"string": kind}}} for each in devices]
    spec = {"driver": DRIVER, "pool": {"name": on, "generation": generation}, "devices": listed, "nodeName": on, **more}
    return cluster_wide("ResourceSlice", f"{on}-{generation}", spec=spec)


def template(name: str = "t", count: int = 2, **more: Any) -> dict[str, Any]:
    exactly = {"deviceClassName": DRIVER, "allocationMode": "ExactCount", "count": count, **more}
    return thing("ResourceClaimTemplate", name, spec={"spec": {"devices": {"requests": [
        {"name": "r", "exactly": exactly}]}}})  # fmt: skip


def claim(name: str, *devices: str, on: str = "n1") -> dict[str, Any]:
    results = [{"driver": DRIVER, "pool": on, "device": each} for each in devices]
    return thing("ResourceClaim", name, spec={}, status={"allocation": {"devices": {"results": results}}})


def step(**more: Any) -> Any:
    patch = {"resourceClaims": [{"name": "r", "resourceClaimTemplateName": "t", **more.pop("claims", {})}]}
    return fit(resources=Resources(cpu=1, memory="1Gi"), overlays=(Overlay(kind="Pod", patch=patch),), **more)


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        ((slices("n1", "a", "b"),), {}),
        ((slices("n1", "a"),), {"device-claim-unmet": "never"}),
        ((), {"device-claim-unmet": "never"}),
        ((slices("n1", "a", "b", kind="mig"),), {"device-claim-unmet": "never"}),
        ((slices("n1", "a", "b"), claim("c", "b")), {"device-claim-unmet": "not-now"}),
        ((slices("n1", "a", "b", "c"), claim("c", "b")), {}),
        ((slices("n1", "a", "b"), claim("c", "b", on="n2")), {}),
        # an older generation of a pool counts no more
        ((slices("n1", "a", "b"), slices("n1", "a", generation=2)), {"device-claim-unmet": "never"}),
    ],
)  # fmt: skip
def test_a_node_has_as_many_as_are_claimed_and_are_free(objects: Any, found: dict[str, str]) -> None:
    assert ids(asks(step()), facts(BIG, of_class(), template(), *objects)) == found


def test_what_is_lacking_is_said_with_where_it_stands() -> None:
    (reason,) = against(asks(step()), facts(BIG, of_class(), template(), slices("n1", "a", "b"), claim("c", "b")))
    assert "asks for cpu 1, 2 devices of gpu.nvidia.com, memory 1Gi" in reason.message
    assert reason.fits == "1 device of gpu.nvidia.com"
    assert ("Node n1", "ResourceSlice spec.devices", "2, of which 1 are left") in [
        (each.subject, each.path, each.value) for each in reason.evidence
    ]


def test_a_gang_has_its_devices_on_several_nodes() -> None:
    two = [node(name, cpu="9", memory="9Gi") for name in ("n1", "n2")]
    gang = step(runtime=Torch(nodes=2))
    cluster = (*two, of_class(), template(), slices("n1", "a", "b"))
    assert ids(asks(gang), facts(*cluster)) == {"gang-never-whole": "never"}
    assert ids(asks(gang), facts(*cluster, slices("n2", "a", "b"))) == {}


@pytest.mark.parametrize(
    ("objects", "id", "fits"),
    [
        ((template(),), "device-claim-missing", "other"),
        ((of_class(),), "device-claim-missing", ""),
    ],
)  # fmt: skip
def test_what_is_named_and_not_there_is_never(objects: Any, id: str, fits: str) -> None:
    other = of_class("other")
    (reason,) = against(asks(step()), facts(BIG, other, *objects))
    assert (reason.id, reason.verdict, reason.fits) == (id, "never", fits)


def test_a_claim_of_its_own_name_must_be_there() -> None:
    named = step(claims={"resourceClaimTemplateName": None, "resourceClaimName": "c"})
    assert ids(asks(named), facts(BIG)) == {"device-claim-missing": "never"}


@pytest.mark.parametrize(
    "objects",
    [
        (template(selectors=[{"cel": {"expression": "device.capacity['d'].memory.isGreaterThan(quantity('1Gi'))"}}]),
         slices("n1", "a", "b")),
        (template(allocationMode="All"), slices("n1", "a", "b")),
        (template(), slices("", "a", "b", allNodes=True)),
        (template(), slices("n1", "a", "b"), slices("n2", "c", nodeName="")),
    ],
)  # fmt: skip
def test_what_can_not_be_told_leaves_it_unknown(objects: Any) -> None:
    (found, _) = judge(asks(step()), facts(BIG, of_class(), *objects))
    assert not found.reasons and verdict_of(found.reasons, found.unread) == "unknown"


def test_with_selectors_that_can_not_be_told_too_few_is_still_never() -> None:
    odd = template(selectors=[{"cel": {"expression": "device.driver.startsWith('gpu')"}}])
    assert ids(asks(step()), facts(BIG, of_class(), odd, slices("n1", "a"))) == {"device-claim-unmet": "never"}


@pytest.mark.parametrize("kind", ["DeviceClass", "ResourceSlice", "ResourceClaim"])
def test_what_could_not_be_read_is_said(kind: str) -> None:
    cluster = facts(BIG, template(), *(() if kind == "DeviceClass" else (of_class(),)), unread=frozenset({kind}))
    (found, _) = judge(asks(step()), cluster)
    assert not found.reasons and [each.what for each in found.unread] == ["devices that are claimed"]


def test_the_claims_that_are_made_for_a_run_are_looked_at() -> None:
    hardware = Hardware(accelerators={"A100-80GB": Advertised(device_class=DRIVER, products=("NVIDIA A100",))})
    own = asks(fit(resources=Resources(gpus="A100-80GB:2", cpu=1, memory="1Gi")), hardware=hardware)
    (reason,) = against(own, facts(BIG, of_class(), slices("n1", "a")))
    assert reason.id == "device-claim-unmet"
    (found, _) = judge(own, facts(BIG, of_class(), slices("n1", "a", "b")))
    assert verdict_of(found.reasons, found.unread) == "unknown"  # its devices do not say of which product they are
    named = slices("n1", "a", "b")
    for each in named["spec"]["devices"]:
        each["attributes"]["productName"] = {"string": "NVIDIA A100"}
    assert ids(own, facts(BIG, of_class(), named)) == {}


DEVICE = Part(Ref("ResourceSlice", "", "s"), "spec.devices[0]", {"name": "a", "attributes": {
    "type": {"string": "gpu"}, "index": {"int": 3}, "ecc": {"bool": True}, "other.com/rack": {"string": "r1"},
    "driverVersion": {"version": "1.2.3"}}})  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("device.driver == 'gpu.nvidia.com'", True),
        ('device.driver == "other"', False),
        (EXPRESSION, True),
        ("device.attributes['gpu.nvidia.com'].index == 3", True),
        ("device.attributes['gpu.nvidia.com'].ecc == false", False),
        ("device.attributes['other.com'].rack in ['r1', \"r2\"]", True),
        ("device.attributes['gpu.nvidia.com'].type in ['mig']", False),
        ("device.attributes['gpu.nvidia.com'].absent == 'x'", None),
        ("device.attributes['other.com'].type == 'gpu'", None),
        ("device.attributes['gpu.nvidia.com'].driverVersion == '1.2.3'", None),
        ("device.driver == 'other' && device.attributes['gpu.nvidia.com'].absent == 'x'", False),
        ("device.driver == 'gpu.nvidia.com' || device.driver == 'other'", None),
        ("!(device.driver == 'other')", None),
        ("device.attributes['gpu.nvidia.com'].type == 'a && b'", None),
        ("", None),
    ],
)  # fmt: skip
def test_of_expressions_only_what_is_sure_is_told(expression: str, found: bool | None) -> None:
    assert chosen([expression], DRIVER, DEVICE) is found


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=3), st.integers(1, 4))
def test_a_pod_has_a_node_where_enough_are_free(nodes: list[tuple[int, int]], count: int) -> None:
    things = []
    for number, (has, taken) in enumerate(nodes):
        names = [f"d{each}" for each in range(has)]
        things += [node(f"n{number}", cpu="9", memory="9Gi"), slices(f"n{number}", *names),
                   claim(f"c{number}", *names[:taken], on=f"n{number}")]  # fmt: skip
    (found, _) = judge(asks(step()), facts(of_class(), template(count=count), *things))
    ever, now = (any(left >= count for left in each) for each in (
        [has for has, _ in nodes], [max(0, has - taken) for has, taken in nodes]))  # fmt: skip
    assert verdict_of(found.reasons, found.unread) == ("now" if now else "not-now" if ever else "never")
