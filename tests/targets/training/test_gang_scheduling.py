"""Gangs that a scheduler places together or not at all: one group each, whoever makes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

import fairlead.targets.training.table as table
from fairlead.errors import SpecError
from fairlead.specs.contexts import Context, context_faults
from fairlead.specs.gang_scheduling import GangScheduler, parse_gang_scheduler
from fairlead.specs.hardware import Hardware, Topology
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import FunctionStep, Overlay
from fairlead.targets import job
from fairlead.targets.orders import Manifest
from fairlead.targets.refusals import refusals
from fairlead.targets.training.target import Gang, Target
from fairlead.targets.validating import object_field_faults
from targets.goldens import CONTEXT, compare, golden, submission
from targets.strategies import one_step
from targets.training.gangs import FLOW, gangs, templates

TARGETS = [
    each for each in table.targets().values() if each.runtimes & {"torch", "jax", "tensorflow", "mpi", "xgboost"}
]
"""Those of ranks: whose pods make up a cluster of a framework, its own component says."""
VOLCANO = msgspec.structs.replace(CONTEXT, queue="", gang_scheduler="volcano research")
COSCHEDULING = msgspec.structs.replace(CONTEXT, queue="", gang_scheduler="coscheduling gangs")
NEAR = msgspec.structs.replace(CONTEXT, hardware=Hardware(topology=Topology(level="example.com/rack", required=True)))
PLACES = {"volcano": VOLCANO, "coscheduling": COSCHEDULING, "topology": NEAR}


def placed(gang: Gang, target: Target, context: Context) -> Gang:
    """The same gang elsewhere, without a queue of its own."""
    place = msgspec.structs.replace(
        gang.submission, context=context, targets={table.kind_of(gang.runtime): target.name}
    )
    return Gang(place, msgspec.structs.replace(gang.step, queue=""), gang.name, gang.index, gang.number)


def placed_gangs(target: Target, context: Context) -> Iterator[Gang]:
    return (placed(gang, target, context) for gang in gangs(target))


@pytest.mark.parametrize("name", PLACES)
def test_a_gang_compiles_to_the_objects_beside_its_flow_by_every_target(name: str) -> None:
    """One gang for each target, and the elastic one."""
    made: list[Manifest] = []
    for target in TARGETS:
        found = list(placed_gangs(target, PLACES[name]))
        for gang in (found[0], *(each for each in found[1:] if each.name == "elastic")):
            made += table.render(gang)
    assert [fault for each in made for fault in object_field_faults(each)] == []
    compare(golden(FLOW, f"gangs_{name}"), made)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_there_is_one_group_for_each_gang_of_all_that_it_begins_with(target: Target) -> None:
    for context, scheduler in ((VOLCANO, "volcano"), (COSCHEDULING, "gangs")):
        for gang in placed_gangs(target, context):
            made = table.render(gang)
            least = 2 if gang.name == "elastic" else gang.runtime.nodes + ("mpi" in target.name)  # its launcher
            assert [*_least(made)] == [least] or target.name == "trainjob"
            assert len(list(_policies(made))) == 1
            assert all(each["metadata"]["name"] == gang.object_name for each in made)
            for template in (each for manifest in made for each in templates(manifest)):
                assert template["spec"]["schedulerName"] == scheduler
                marks = {**template["metadata"]["labels"], **template["metadata"]["annotations"]}
                known = {"scheduling.k8s.io/group-name", "scheduling.x-k8s.io/pod-group"} & marks.keys()
                assert [marks[each] for each in known] == [gang.object_name]
            kinds = {(each.api_version, each.kind) for each in table.resources_of(target, context)}
            assert {(each["apiVersion"], each["kind"]) for each in made} <= kinds


def _policies(made: list[Manifest]) -> Iterator[Any]:
    """Yield what makes a group: the group itself, or the field of a component that makes it."""
    for each in made:
        spec = each.get("spec", {})
        if each["kind"] == "PodGroup":
            yield spec
        for policy in (spec.get("podGroupPolicy"), (spec.get("runPolicy") or {}).get("schedulingPolicy")):
            if policy is not None:
                yield policy


def _least(made: list[Manifest]) -> Iterator[int]:
    for policy in _policies(made):
        if {"minMember", "minAvailable"} & policy.keys():
            yield policy.get("minMember", policy.get("minAvailable"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_without_a_gang_scheduler_nothing_of_it_is_there(target: Target) -> None:
    for gang in gangs(target):
        place = msgspec.structs.replace(gang.submission, targets={table.kind_of(gang.runtime): target.name})
        made = table.render(Gang(place, gang.step, gang.name, gang.index, gang.number))
        assert made == target.render(gang)
        assert list(_policies(made)) == []
        assert not any("schedulerName" in each["spec"] for manifest in made for each in templates(manifest))
    assert table.resources_of(target, CONTEXT) == target.resources


def gang(context: Context, **fields: Any) -> Gang:
    step = FunctionStep(name="fit", function="m:f", **{"runtime": Torch(nodes=4)} | fields)
    return Gang(submission(one_step(step), context), step, "fit", 0, 1)


def group(context: Context, **fields: Any) -> dict[str, Any]:
    found = table.render(gang(context, **fields))[0]
    assert found["kind"] == "PodGroup"
    spec: dict[str, Any] = found["spec"]
    return spec


def test_a_group_asks_for_what_its_pods_ask_for_together() -> None:
    asked = Resources(cpu="500m", memory="1Gi", gpus="H100:8")
    assert group(VOLCANO, resources=asked, priority="high") == {
        "minMember": 4, "queue": "research", "priorityClassName": "high",
        "minResources": {"cpu": "2", "memory": str(4 << 30), "nvidia.com/gpu": "32"},
    }  # fmt: skip
    assert group(COSCHEDULING, runtime=Torch(nodes=3)) == {
        "minMember": 3, "minResources": {"cpu": "0.75", "memory": str(3 * 256 << 20)},
    }  # fmt: skip


def test_a_step_that_names_a_scheduler_of_its_own_keeps_it() -> None:
    made = table.render(gang(VOLCANO, overlays=(Overlay(kind="Pod", patch={"schedulerName": "mine"}),)))
    assert [each["spec"]["schedulerName"] for manifest in made for each in templates(manifest)] == ["mine"]


# Kueue ---------------------------------------------------------------------------------------


def marks(context: Context, **fields: Any) -> dict[str, str]:
    (template,) = [each for manifest in table.render(gang(context, **fields)) for each in templates(manifest)]
    found: dict[str, str] = template["metadata"]["annotations"]
    return {name: text for name, text in found.items() if name.startswith("kueue")}


def test_a_gang_in_a_queue_is_told_how_near_its_pods_must_be_and_no_other_is() -> None:
    required, preferred = "kueue.x-k8s.io/podset-required-topology", "kueue.x-k8s.io/podset-preferred-topology"
    assert marks(NEAR) == {required: "example.com/rack"}
    rather = msgspec.structs.replace(NEAR, hardware=Hardware(topology=Topology(level="example.com/rack")))
    assert marks(rather) == {preferred: "example.com/rack"}
    assert marks(NEAR, runtime=Torch(nodes=1)) == {}
    unqueued = msgspec.structs.replace(NEAR, queue="")
    assert marks(unqueued) == {}
    assert marks(unqueued, queue="gpus") == {required: "example.com/rack"}


def test_kueue_and_volcano_at_once_are_refused() -> None:
    both = msgspec.structs.replace(VOLCANO, queue="team")
    (fault,) = context_faults(both)
    assert (fault.path, fault.message) == (
        "gang_scheduler", "Volcano and Kueue's queue 'team' would both admit gangs: say one",
    )  # fmt: skip
    queued = gang(VOLCANO, queue="gpus").step
    (fault,) = refusals(one_step(queued), VOLCANO)
    assert fault.path == "steps.fit.queue" and "one of them admits a gang" in fault.message
    with pytest.raises(SpecError, match="can't run on a cluster"):
        job.called(submission(one_step(queued), VOLCANO), queued, "fit", 0)
    assert list(refusals(one_step(queued), COSCHEDULING)) == []  # which places what a queue has admitted
    assert list(refusals(one_step(FunctionStep(name="one", function="m:f", queue="gpus")), VOLCANO)) == []


# What is said --------------------------------------------------------------------------------


def test_a_gang_scheduler_is_read() -> None:
    assert parse_gang_scheduler("") is None
    assert parse_gang_scheduler("volcano") == GangScheduler("volcano", "volcano")
    assert parse_gang_scheduler(" volcano gpus ") == GangScheduler("volcano", "volcano", "gpus")
    assert parse_gang_scheduler("coscheduling") == GangScheduler("coscheduling", "scheduler-plugins-scheduler")
    assert parse_gang_scheduler("coscheduling mine") == GangScheduler("coscheduling", "mine")


@pytest.mark.parametrize("text", ["yunikorn", "volcano A", "volcano  a", "coscheduling a b"])
def test_anything_else_is_no_gang_scheduler(text: str) -> None:
    (fault,) = context_faults(Context(name="c", store="s3://b", gang_scheduler=text))
    assert fault.path == "gang_scheduler" and "write 'volcano'" in fault.message


def test_a_level_of_a_topology_is_a_label() -> None:
    wrong = Hardware(topology=Topology(level="a rack"))
    assert [each.path for each in context_faults(Context(name="c", store="s3://b", hardware=wrong))] == [
        "hardware.topology.level"
    ]
