from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.specs.status import StepStatus
from fairlead.targets import naming
from fairlead.targets.pods import CONTAINER
from fairlead.targets.podstatus import WatchedPod, has_begun, main_container, pod_status

WORDS = st.sampled_from(
    [
        "",
        "a",
        "main",
        "wait",
        "PodInitializing",
        "ContainerCreating",
        "ErrImagePull",
        "ImagePullBackOff",
        "OOMKilled",
        "Error",
        "Completed",
    ]
)
STATES = st.dictionaries(
    st.sampled_from(["waiting", "running", "terminated", "unknown"]),
    st.none() | st.fixed_dictionaries({}, optional={"reason": st.none() | WORDS, "message": st.none() | WORDS, "exitCode": st.integers(0, 255)}),
    max_size=2,
)  # fmt: skip
CONTAINERS = st.none() | st.lists(
    st.fixed_dictionaries({}, optional={"name": WORDS, "state": st.none() | STATES}), max_size=3
)
CONDITIONS = st.none() | st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["PodScheduled", "Initialized", "Ready", "Odd"]), "status": st.sampled_from(["True", "False", "Unknown"]),
            "reason": st.none() | st.sampled_from(["SchedulingGated", "Unschedulable"]), "message": st.none() | WORDS,
        },
    ),
    max_size=3,
)  # fmt: skip
STATUSES = st.fixed_dictionaries(
    {},
    optional={
        "phase": st.none() | st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown", "New"]),
        "reason": st.none() | WORDS, "message": st.none() | WORDS, "conditions": CONDITIONS,
        "containerStatuses": CONTAINERS, "initContainerStatuses": CONTAINERS,
    },
)  # fmt: skip
PODS = st.fixed_dictionaries(
    {},
    optional={
        "spec": st.none() | st.fixed_dictionaries({}, optional={"nodeName": st.none() | WORDS}),
        "status": st.none() | STATUSES,
    },
)


@settings(max_examples=400)
@given(PODS)
def test_every_pod_has_a_status_and_its_reason_in_words(pod: dict[str, Any]) -> None:
    found = pod_status(pod)
    assert found.status in (None, *get_args(StepStatus))
    assert isinstance(found.reason, str)
    assert isinstance(has_begun(pod), bool)


@settings(max_examples=400)
@given(PODS)
def test_what_watches_decode_of_a_pod_says_the_same_as_the_whole(pod: dict[str, Any]) -> None:
    labels = {naming.NODE: "3", naming.ITEM: "1", "other": "x"}
    metadata = {"name": "p", "namespace": "n", "labels": labels, "annotations": {}, "managedFields": [{}]}
    whole = {"apiVersion": "v1", "kind": "Pod", **pod, "metadata": metadata}

    seen = msgspec.json.decode(msgspec.json.encode(whole), type=WatchedPod)

    assert pod_status(seen) == pod_status(whole)
    assert has_begun(seen) == has_begun(whole)
    assert seen["metadata"] == {"name": "p", "labels": labels, "annotations": {}}


def pod(node: str = "n", **status: Any) -> dict[str, Any]:
    return {"spec": {"nodeName": node}, "status": status}


def waiting(reason: str, message: str = "") -> list[dict[str, Any]]:
    return [{"name": "main", "state": {"waiting": {"reason": reason, "message": message}}}]


def test_the_container_of_the_step_is_the_one_that_the_pod_names_or_main() -> None:
    running = [{"name": name, "state": {"running": {}}} for name in ("beside", "pytorch")]
    found = pod(phase="Running", containerStatuses=running)
    assert (main_container(found), pod_status(found).status, has_begun(found)) == ("main", "starting", False)
    found["metadata"] = {"annotations": {CONTAINER: "pytorch"}}
    assert (main_container(found), pod_status(found).status, has_begun(found)) == ("pytorch", "running", True)


UNCLAIMED = '0/1 nodes are available: persistentvolumeclaim "images" not found'
UNPLACED = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}


@pytest.mark.parametrize(
    ("document", "status", "reason"),
    [
        ({}, "pending", ""),
        (pod("", conditions=[UNPLACED]), "waiting-placement", "0/1 nodes are available"),
        (pod("", conditions=[UNPLACED | {"message": UNCLAIMED}]), "waiting-volume", UNCLAIMED),
        (pod("", conditions=[UNPLACED | {"reason": "SchedulingGated"}]), "waiting-quota", "0/1 nodes are available"),
        (
            pod("", conditions=[UNPLACED | {"reason": "SchedulingGated"}])
            | {"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "team"}}},
            "waiting-quota",
            "waits to be admitted by the queue team",
        ),
        (pod(containerStatuses=waiting("ImagePullBackOff", "no such image")), "waiting-image", "ImagePullBackOff: no such image"),
        (pod(containerStatuses=waiting("CreateContainerConfigError", "no secret")), "starting", "CreateContainerConfigError: no secret"),
        (pod(containerStatuses=waiting("PodInitializing")), "starting", ""),
        (pod(phase="Running", containerStatuses=[{"name": "main", "state": {"running": {}}}]), "running", ""),
        (pod(phase="Running", containerStatuses=[{"name": "wait", "state": {"running": {}}}]), "starting", ""),
        (pod(phase="Failed", reason="Evicted", message="the node was low on memory"), None, "the node was low on memory"),
    ],
)  # fmt: skip
def test_a_pod_says(document: dict[str, Any], status: str | None, reason: str) -> None:
    assert pod_status(document) == (status, reason)


def test_a_pod_may_name_the_container_that_runs_its_step() -> None:
    document = pod(phase="Running", containerStatuses=[{"name": "node", "state": {"running": {}}}])
    named = {"metadata": {"annotations": {CONTAINER: "node"}}}
    assert (pod_status(document).status, has_begun(document)) == ("starting", False)
    assert (pod_status(document | named).status, has_begun(document | named)) == ("running", True)
