"""What has become of pods that fare badly, as Kubernetes and its components write it, and as nobody should."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.specs.causes import CAUSES
from fairlead.specs.status import SPENT
from fairlead.targets.podcauses import UNSCHEDULABLE, cause, is_unplaced, transition
from fairlead.targets.pods import CONTAINER
from targets.test_podstatus import PODS, UNPLACED, WORDS, waiting

EVENTS = st.lists(
    st.fixed_dictionaries(
        {}, optional={"reason": st.none() | WORDS | st.sampled_from(["Preempted", "Evicted"]), "message": st.none() | WORDS}
    ),
    max_size=3,
)  # fmt: skip
METADATA = st.fixed_dictionaries({"name": WORDS}, optional={"deletionTimestamp": st.none() | WORDS})


@settings(max_examples=400)
@given(PODS, METADATA, EVENTS, st.booleans(), st.booleans())
def test_every_pod_has_a_transition_and_a_known_cause(
    pod: dict[str, Any], metadata: dict[str, Any], events: list[dict[str, Any]], gone: bool, suspended: bool
) -> None:
    pod = {**pod, "metadata": metadata}
    assert transition(pod, gone=gone) in ("", "ended", "gone", "ending", "unplaced", "image", "config")
    found = cause(pod, events, gone=gone, suspended=suspended)
    assert found.word in CAUSES and found.message


def pod(*, deleted: bool = False, **status: Any) -> dict[str, Any]:
    deletion = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {}
    return {"metadata": {"name": "p", **deletion}, "spec": {"nodeName": "n"}, "status": status}


def ended(code: int, reason: str = "Error", name: str = "main", **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, "state": {"terminated": {"exitCode": code, "reason": reason, **more}}}]


def disrupted(reason: str, message: str) -> list[dict[str, Any]]:
    return [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}]


POLICY = {"reason": UNSCHEDULABLE, "message": "could not have its image for 1m"}
NOWHERE = UNPLACED | {"reason": UNSCHEDULABLE}
API = "Eviction API: evicting"
SCHEDULER = "default-scheduler: preempting to accommodate a higher priority pod"


@pytest.mark.parametrize(
    ("document", "gone", "word", "found", "message"),
    [
        (pod(phase="Failed", containerStatuses=ended(137, "OOMKilled")), False, "ended", "Memory", "memory limit"),
        (pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory"), False, "ended", "Evicted", "low on resource"),
        (pod(phase="Running", deleted=True, conditions=disrupted("EvictionByEvictionAPI", API)), False, "ending", "Evicted", API),
        (pod(phase="Failed", deleted=True, conditions=disrupted("PreemptionByScheduler", SCHEDULER)), False, "ended", "Preempted", SCHEDULER),
        (pod(phase="Running", conditions=disrupted("DeletionByPodGC", "PodGC: node no longer exists")), True, "gone", "NodeLost", "no longer exists"),
        (pod(phase="Running", deleted=True, conditions=disrupted("DeletionByTaintManager", "Taint manager")), False, "ending", "NodeLost", "Taint"),
        (pod(phase="Failed", reason="UnexpectedAdmissionError", message="no devices"), False, "ended", "Rejected", "no devices"),
        (pod(phase="Running", deleted=True), False, "ending", "Deleted", "its pod p was deleted"),
        (pod(phase="Running"), True, "gone", "Deleted", "its pod p was deleted"),
        (pod(phase="Pending", conditions=[NOWHERE]), True, "gone", "Deleted", "while it waited for a place: 0/1 nodes"),
        (pod(phase="Pending", conditions=[NOWHERE]), False, "unplaced", "Placement", "0/1 nodes are available"),
        (pod(phase="Pending", containerStatuses=waiting("ImagePullBackOff", "not found")), False, "image", "Image", "not found"),
        (pod(phase="Pending", containerStatuses=waiting("ErrImagePull", "not found")), True, "gone", "Image", "not found"),
        (pod(phase="Pending", containerStatuses=waiting("CreateContainerConfigError", 'secret "s" not found')), False, "config", "Config", "secret"),
        (pod(phase="Failed", initContainerStatuses=ended(3, "Error", "fairlead")), False, "ended", "Init", "init container fairlead ended with exit code 3"),
        (pod(phase="Failed", containerStatuses=ended(128, "StartError", message="no python3")), False, "ended", "Config", "no python3"),
        (pod(phase="Failed", containerStatuses=ended(1)), False, "ended", "Exit", "exit code 1"),
        (pod(phase="Failed", **POLICY, containerStatuses=ended(SPENT, UNSCHEDULABLE)), False, "ended", UNSCHEDULABLE, "for 1m"),
        (pod(phase="Failed", **POLICY, containerStatuses=ended(137, "ContainerStatusUnknown")), False, "ended", UNSCHEDULABLE, "for 1m"),
    ],
)  # fmt: skip
def test_what_befell_a_pod(document: dict[str, Any], gone: bool, word: str, found: str, message: str) -> None:
    assert transition(document, gone=gone) == word
    made = cause(document, gone=gone)
    assert made.word == found and message in made.message


@pytest.mark.parametrize(
    "document",
    [
        pod(phase="Running", containerStatuses=[{"name": "main", "state": {"running": {}}}]),
        pod(phase="Succeeded", containerStatuses=ended(0, "Completed")),
        pod(phase="Failed", containerStatuses=ended(SPENT)),
        pod(phase="Pending", conditions=[UNPLACED | {"reason": "SchedulingGated"}]),
        pod(phase="Pending", containerStatuses=waiting("ContainerCreating")),
    ],
)
def test_what_is_well_or_has_said_so_itself_is_not_kept(document: dict[str, Any]) -> None:
    assert transition(document, gone=False) == ""


def test_what_ended_a_pod_is_read_of_the_container_that_runs_its_step() -> None:
    document = pod(phase="Failed", containerStatuses=[*ended(1, name="beside"), *ended(137, "OOMKilled", "jax")])
    assert cause(document, gone=False).word == "Exit"
    document["metadata"]["annotations"] = {CONTAINER: "jax"}
    assert cause(document, gone=False).word == "Memory"
    document["status"]["containerStatuses"] = ended(SPENT, name="jax")
    assert transition(document, gone=False) == ""


def test_a_pod_that_a_queue_holds_back_was_not_refused_a_place() -> None:
    assert not is_unplaced(pod(conditions=[UNPLACED | {"reason": "SchedulingGated"}]))


def test_what_only_an_event_or_the_job_tells_of_a_pod_that_is_gone() -> None:
    preempted = {"reason": "Preempted", "message": "Preempted by pod x on node n"}
    assert cause(pod(phase="Running"), [preempted], gone=True) == ("Preempted", "Preempted by pod x on node n")
    assert cause(pod(phase="Running", deleted=True), gone=False, suspended=True).word == "Preempted"


def test_a_pod_that_its_queue_takes_back_has_been_preempted() -> None:
    said = "Preempted to accommodate a workload of higher priority"
    stopped = {"type": "TerminationTarget", "status": "True", "reason": "WorkloadEvicted", "message": said}
    assert cause(pod(phase="Running", deleted=True, conditions=[stopped]), gone=False) == ("Preempted", said)


def test_who_is_to_blame() -> None:
    assert not cause(pod(phase="Failed", containerStatuses=ended(137, "OOMKilled")), gone=False).infrastructure
    assert cause(pod(phase="Running"), gone=True).infrastructure
