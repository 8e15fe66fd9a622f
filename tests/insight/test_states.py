"""How objects are, and what is over: nothing is said to be wrong with what is well."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.insight.why import Answer, explain
from insight import pictures as p

UP = {"phase": "Running", "conditions": [p.condition("Ready", "True")],
      "containerStatuses": [{"name": "main", "state": {"running": {"startedAt": p.BEGUN}}}]}  # fmt: skip


def answer(first: dict[str, Any], *others: dict[str, Any], events: tuple[dict[str, Any], ...] = ()) -> Answer:
    """Explain the first object."""
    snapshot = p.picture(first, *others, events=events)
    found = snapshot.find(first["kind"], first["metadata"]["name"], first["metadata"]["namespace"])
    assert found is not None
    return explain(snapshot, found)


def pod(name: str = "p", owner: str = "w") -> dict[str, Any]:
    """Return a pod that runs."""
    return p.pod(name, owner=owner, spec={"nodeName": "n1"}, **UP)


def batch(name: str, *, owner: str = "", created: str = p.BEGUN, **status: Any) -> dict[str, Any]:
    """Return a Job."""
    found = p.thing("Job", name, owner=owner, spec={"parallelism": 1, "completions": 1}, status=status)
    found["metadata"]["creationTimestamp"] = created
    return {**found, "apiVersion": "batch/v1"}


DONE = {"conditions": [p.condition("Complete", "True")]}
FAILED = {"conditions": [p.condition("Failed", "True", "BackoffLimitExceeded", "x")]}


@pytest.mark.parametrize(
    ("thing", "state"),
    [
        (p.thing("RayCluster", "w", status={"state": "ready"}), "running"),
        (p.thing("RayJob", "w", status={"jobDeploymentStatus": "ValidationFailed"}), "failed"),
        (p.thing("RayJob", "w", status={"jobDeploymentStatus": "Complete", "jobStatus": "STOPPED"}), "failed"),
        (p.thing("Job", "w", status={"state": {"phase": "Running"}}), "running"),
        (p.thing("Job", "w", status={"state": {"phase": "Aborted"}}), "failed"),
        (p.thing("ClusterQueue", "w", status={"conditions": [p.condition("Active", "True")]}), "running"),
        (p.thing("PersistentVolumeClaim", "w", status={"phase": "Bound"}), "running"),
        (p.thing("ResourceClaim", "w", status={"allocation": {"devices": {"results": []}}}), "running"),
        (p.thing("Trial", "w", status={"conditions": [p.condition("EarlyStopped", "True")]}), "succeeded"),
        (p.thing("Workflow", "w", spec={"entrypoint": "main"}), "pending"),
        (p.thing("ConfigMap", "w"), "unknown"),
    ],
    ids=lambda each: each if isinstance(each, str) else each["kind"],
)
def test_a_kind_says_in_its_own_words_how_it_is(thing: dict[str, Any], state: str) -> None:
    assert answer(thing).state == state


def test_a_workload_that_says_nothing_is_as_its_pods_are() -> None:
    train, jobs = p.thing("TrainJob", "w", status={"jobsStatus": []}), p.thing("JobSet", "s", owner="w", status={})
    rank = pod(owner="s")
    assert answer(train, jobs, rank) == Answer(subject="TrainJob team/w", state="running")
    assert answer(train, jobs, rank, p.waiting("ErrImagePull", "", name="q", owner="s")).state == "pending"
    denied = p.thing("StatefulSet", "w", status={"conditions": [p.condition("Available", "False")]})
    assert answer(denied, pod()).state == "pending"


def test_a_schedule_is_as_its_last_run_and_what_failed_before_is_over() -> None:
    schedule = p.thing("CronJob", "w", spec={"schedule": "0 2 * * *"}, status={"lastScheduleTime": p.BEGUN})
    first = batch("a", owner="w", created="2026-11-18T02:00:00Z", **FAILED)
    killed = p.ended(137, "OOMKilled", name="a-1", owner="a")
    for last, state in (
        (batch("b", owner="w", **DONE), "succeeded"),
        (batch("b", owner="w", active=1, ready=1), "running"),
    ):
        assert answer(schedule, first, killed, last) == Answer(subject="CronJob team/w", state=state)
    found = answer(schedule, first, killed)
    assert (found.state, found.causes[0].id) == ("failed", "out-of-memory")
    assert answer(schedule) == Answer(subject="CronJob team/w", state="pending")  # it is not due yet


def test_a_schedule_that_was_held_back_is_not_any_more_once_its_run_has_ended() -> None:
    schedule = p.thing("CronJob", "w", spec={"schedule": "0 2 * * *"})
    told = (
        p.event("JobAlreadyActive", "Not starting job because prior execution is running", kind="CronJob", name="w"),
    )
    assert not answer(schedule, batch("a", owner="w", **DONE), events=told).causes
    held = answer(schedule, batch("a", owner="w", active=1), events=told)
    assert [each.id for each in held.causes] == ["earlier-run-goes-on"]


def test_attempts_that_others_have_followed_are_over() -> None:
    lost = p.ended(1, owner="w")
    assert answer(batch("w", active=1, ready=1, failed=1), lost, pod("q")) == Answer(
        subject="Job team/w", state="running"
    )
    assert answer(batch("w", failed=1), lost).causes[0].id == "exit-code"
    kept = p.thing("ReplicaSet", "w", spec={"replicas": 1}, status={"availableReplicas": 1})
    assert answer(kept, lost, pod("q")) == Answer(subject="ReplicaSet team/w", state="running")
    part, run = p.ended(1, owner="t"), p.thing("TaskRun", "t", status={"podName": "q"})
    assert not [each for each in answer(run, part, pod("q", owner="t")).causes if each.id == "exit-code"]
    nodes = {"r": {"type": "Retry", "phase": "Running", "children": ["a", "b"]}}
    flow = p.thing("Workflow", "w", status={"phase": "Running", "nodes": nodes})
    lost["metadata"]["annotations"] = {"workflows.argoproj.io/node-id": "a"}
    assert answer(flow, lost) == Answer(subject="Workflow team/w", state="running")


def test_a_container_that_has_run_on_for_longer_than_before_is_well_again() -> None:
    owner, once = p.thing("StatefulSet", "w", status={"availableReplicas": 1}), pod()
    status = once["status"]["containerStatuses"][0]
    ended = {"exitCode": 137, "reason": "OOMKilled", "startedAt": "2026-11-20T09:40:00Z", "finishedAt": p.BEGUN}
    status.update(ready=True, restartCount=1, lastState={"terminated": ended})
    assert answer(owner, once) == Answer(subject="StatefulSet team/w", state="running")
    ended["startedAt"] = "2026-11-20T06:00:00Z"  # it may end so again
    assert [each.id for each in answer(owner, once).causes] == ["out-of-memory"]
    assert [each.id for each in answer(once).causes] == ["out-of-memory"]


def test_what_lies_below_something_that_succeeded_is_over() -> None:
    both = p.thing("JobSet", "w", status=FAILED)
    good, bad = batch("a", owner="w", **DONE), batch("b", owner="w", **FAILED)
    flaky = p.ended(137, "OOMKilled", name="a-1", owner="a", at="2026-11-20T09:00:00Z")
    found = answer(both, good, bad, flaky, p.ended(3, name="b-1", owner="b"))
    assert [each.id for each in found.causes] == ["exit-code"]


def test_what_its_owner_keeps_at_no_replicas_is_not_suspended_by_anybody() -> None:
    served = p.thing("InferenceService", "w", status={"conditions": [p.condition("Ready", "True")]})
    idle = p.thing("Deployment", "d", owner="w", spec={"replicas": 0}, status={"replicas": 0})
    assert answer(served, idle) == Answer(subject="InferenceService team/w", state="running")
    alone = p.thing("Deployment", "w", spec={"replicas": 0}, status={"replicas": 0})
    assert [each.id for each in answer(alone).causes] == ["suspended"]


def test_the_part_comes_before_the_whole_where_both_only_say_that_they_failed() -> None:
    whole = p.thing(
        "Experiment", "w", status={"conditions": [p.condition("Failed", "True", "ExperimentFailed", "see the other")]}
    )
    part = p.thing(
        "Suggestion",
        "s",
        owner="w",
        status={"conditions": [p.condition("Failed", "True", "Refused", "no such setting")]},
    )
    assert answer(whole, part).causes[0].subject == "Suggestion team/s"


def test_an_unknown_answer_repeats_what_was_said_last() -> None:
    thing = p.thing(
        "BentoDeployment", "w", status={"conditions": [p.condition("Found", "False", "None", "there is no bento")]}
    )
    told = (p.event("GetBento", "failed to get it", kind="BentoDeployment", name="w"),)
    cause = answer(thing, events=told).causes[0]
    assert (cause.id, cause.evidence[0].value) == ("unknown", "failed to get it")
    assert "there is no bento" in answer(thing).causes[0].message


def test_what_belongs_to_a_service_of_knative_is_found_beside_the_one_of_its_name() -> None:
    served = p.thing(
        "InferenceService", "w", status={"conditions": [p.condition("Ready", "False", "RevisionFailed", "x")]}
    )
    core = p.thing("Service", "s", spec={"type": "ExternalName"})
    knative = {**p.thing("Service", "s", owner="w"), "apiVersion": "serving.knative.dev/v1"}
    knative["metadata"]["uid"] = "k"
    waiting = p.unplaced("0/2 nodes are available: 2 Insufficient nvidia.com/gpu.", name="p", owner="k")
    for others in ((core, knative), (knative, core)):
        assert answer(served, *others, waiting).causes[0].id == "insufficient-resources"
