"""Which cause comes first, what follows from it, and what is said where nothing is known."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.insight.why import Answer, explain
from fairlead.snapshots.parts import Ref
from fairlead.snapshots.snapshot import Meta, Snapshot, Unread, thing_of
from insight import pictures as p

LOST = "RuntimeError: NCCL timeout: Watchdog caught collective operation timeout"


def of_job(*objects: dict, **more: object) -> Answer:
    """Explain the job ``j``."""
    failed = p.job(conditions=[p.condition("Failed", "True", "BackoffLimitExceeded", "reached the limit", at=p.LATER)])
    snapshot = p.picture(failed, *objects, **more)  # type: ignore[arg-type]
    found = snapshot.find("Job", "j", p.NAMESPACE)
    assert found is not None
    return explain(snapshot, found)


def test_the_rank_that_died_first_is_the_cause_and_not_the_job_that_followed() -> None:
    first = p.ended(137, "OOMKilled", name="rank-1", owner="j", at="2026-11-20T10:01:00Z")
    later = p.ended(1, name="p", owner="j", at="2026-11-20T10:04:00Z")
    answer = of_job(later, first, log=LOST)
    assert (answer.state, answer.causes[0].id, answer.causes[0].subject) == (
        "failed",
        "out-of-memory",
        "Pod team/rank-1",
    )
    assert [each.id for each in answer.consequences] == ["rendezvous-failed", "workload-failed"]


def test_several_causes_are_all_shown_the_earliest_first() -> None:
    answer = of_job(
        p.ended(1, name="p", owner="j", at="2026-11-20T10:02:00Z"),
        p.ended(137, "OOMKilled", name="b", owner="j", at="2026-11-20T10:03:00Z"),
        log="ValueError: no luck\n",
    )
    assert [each.id for each in answer.causes[:2]] == ["exception", "out-of-memory"]


def test_what_many_pods_show_alike_is_one_cause_with_their_number() -> None:
    pods = [p.waiting("ErrImagePull", "manifest unknown", name=f"p-{number}", owner="j") for number in range(40)]
    (cause,) = of_job(*pods).causes
    assert (cause.id, cause.count, cause.subject) == ("image-not-found", 40, "Pod team/p-0")


def test_where_nodes_are_not_known_the_scheduler_says_whether_waiting_would_help() -> None:
    preempting = "preemption: 0/3 nodes are available: {} Preemption is not helpful for scheduling, {}"
    for hopeless, rest in ((3, "."), (1, "2 No preemption victims found for incoming pod.")):
        said = "0/3 nodes are available: 1 had untolerated taint {a: b}, 2 Insufficient cpu. "
        pod = p.unplaced(said + preempting.format(hopeless, rest))
        (cause,) = explain(p.picture(pod), p.picture(pod).things[Ref("Pod", p.NAMESPACE, "p")]).causes
        assert cause.id == "insufficient-resources"
        assert cause.remedy.startswith("wait until others have ended") == (hopeless < 3)
        assert ("such nodes have less in all" in cause.message) == (hopeless == 3)


def test_a_pod_whose_workload_waits_is_explained_by_the_queue() -> None:
    gated = p.pod(
        owner="j", spec={"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}]}, phase="Pending",
        conditions=[p.condition("PodScheduled", "False", "SchedulingGated", "gated", at=p.LATER)],
    )  # fmt: skip
    held = p.workload(
        "couldn't assign flavors to pod set main: insufficient unused quota for cpu in flavor d, 1 more needed"
    )
    held["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "j", "uid": "j"}]
    snapshot = p.picture(p.job(), gated, held)
    found = snapshot.find("Pod", "p", p.NAMESPACE)
    assert found is not None
    answer = explain(snapshot, found)
    assert [each.id for each in answer.causes] == ["quota-used-up"]
    assert [each.id for each in answer.consequences] == ["scheduling-gated"]


def test_one_that_succeeded_has_no_causes_whatever_failed_on_the_way() -> None:
    done = p.job(conditions=[p.condition("Complete", "True")])
    snapshot = p.picture(done, p.ended(1, owner="j"))
    found = snapshot.find("Job", "j", p.NAMESPACE)
    assert found is not None
    assert explain(snapshot, found) == Answer(subject="Job team/j", state="succeeded")


def test_a_run_of_a_pipeline_that_did_not_succeed_has_failed() -> None:
    for kind, state in (("PipelineRun", "failed"), ("Experiment", "unknown")):
        run = p.thing(kind, "r", status={"conditions": [p.condition("Succeeded", "False", "Failed", "1 task failed")]})
        found = p.picture(run).find(kind, "r", p.NAMESPACE)
        assert found is not None
        assert (explain(p.picture(run), found).state == "failed") is (state == "failed")


def test_where_nothing_says_why_the_answer_is_unknown_and_what_would_help() -> None:
    snapshot = Snapshot(Meta(unread=(Unread(what="nodes", why="you may not list them"),)), [p.job(active=0)])
    found = snapshot.find("Job", "j", p.NAMESPACE)
    assert found is not None
    answer = explain(snapshot, found)
    assert [each.id for each in answer.causes] == ["unknown"]
    assert "its pods, its events" in answer.causes[0].message and answer.unread[0].what == "nodes"


def test_ten_thousand_pods_that_fail_alike_are_one_cause() -> None:
    pods = [p.ended(1, name=f"p-{number}", owner="j") for number in range(10_000)]
    (cause,) = of_job(*pods).causes
    assert (cause.id, cause.count) == ("exit-code", 10_000)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["status", "conditions", "type", "reason", "message", "metadata", "name", "state", "waiting",
                         "terminated", "exitCode", "containerStatuses", "phase", "spec", "containers", "resources"]),
        inner, max_size=4),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(_JSON, _JSON)
def test_no_object_of_any_form_makes_an_answer_fail(status: object, spec: object) -> None:
    pod = {"kind": "Pod", "metadata": {"name": "p", "uid": "p"}, "status": status, "spec": spec}
    found = thing_of(pod)
    assert found is not None
    assert explain(Snapshot(Meta(), [pod]), found).subject == "Pod p"


def test_what_was_said_of_an_earlier_pod_of_the_same_name_is_not_of_this_one() -> None:
    pod = p.pod("db-0", spec={"nodeName": "n1"}, phase="Pending")
    said = p.event("FailedMount", 'MountVolume.SetUp failed for volume "x": secret "y" not found', name="db-0")
    said["involvedObject"]["uid"] = "another"
    snapshot = p.picture(pod, events=(said,))
    found = snapshot.find("Pod", "db-0", p.NAMESPACE)
    assert found is not None
    assert [each.id for each in explain(snapshot, found).causes] == ["unknown"]


def test_a_cron_job_whose_last_run_succeeded_is_well_and_one_that_was_missed_is_not() -> None:
    times = [(p.BEGUN, p.LATER), (p.LATER, p.BEGUN)]
    statuses = [{"lastScheduleTime": due, "lastSuccessfulTime": done} for due, done in times]
    crons = [p.thing("CronJob", "c", spec={"schedule": "* * * * *"}, status=status) for status in statuses]
    answers = [explain(p.picture(each), found) for each in crons if (found := thing_of(each))]
    assert [(each.state, len(each.causes)) for each in answers] == [("succeeded", 0), ("pending", 1)]


def test_a_failed_pod_that_its_set_has_replaced_is_left_over() -> None:
    evicted = p.failed("Evicted", "The node was low on resource: memory.")
    evicted["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "r", "uid": "r"}]
    for available, causes in ((2, []), (1, ["node-lacks-memory"])):
        owner = p.thing("ReplicaSet", "r", spec={"replicas": 2}, status={"availableReplicas": available})
        snapshot = p.picture(owner, evicted)
        found = snapshot.find("ReplicaSet", "r", p.NAMESPACE)
        assert found is not None
        assert [each.id for each in explain(snapshot, found).causes] == causes


def test_a_claim_of_a_pod_alone_is_no_cause_beside_that_pod() -> None:
    pod = p.unplaced(
        "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        spec={"volumes": [{"persistentVolumeClaim": {"claimName": "p-work"}}]},
    )
    claim = p.thing("PersistentVolumeClaim", "p-work", owner="p", status={"phase": "Pending"})
    said = p.event("ProvisioningFailed", 'storageclass "fast" not found', kind="PersistentVolumeClaim", name="p-work")
    snapshot = p.picture(pod, claim, events=(said,))
    found = snapshot.find("Pod", "p", p.NAMESPACE)
    assert found is not None
    causes = explain(snapshot, found).causes
    assert [(each.id, each.subject) for each in causes] == [("storage-class-missing", "Pod team/p")]


@pytest.mark.parametrize("text", ["a" * 250_000, "1,2," * 60_000, "/a/b" * 60_000, "a.b:c@d" * 35_000])
def test_lines_and_messages_without_an_end_take_no_time(text: str) -> None:
    pod = p.ended(1, message=text)
    snapshot = p.picture(pod, log=text, events=(p.event("FailedCreate", text),))
    found = snapshot.find("Pod", "p", p.NAMESPACE)
    assert found is not None
    begun = time.process_time()
    assert [each.id for each in explain(snapshot, found).causes] == ["exit-code"]
    assert time.process_time() - begun < 10
