"""A run's records as objects of a snapshot: whatever they are, what failed is explained or follows from what did."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings

from fairlead.insight.rules.steps import GONE
from fairlead.insight.why import Answer, explain
from fairlead.runs.finding import Target
from fairlead.runs.picturing import owned, pictured, subject, told
from fairlead.runs.reporting import report
from fairlead.snapshots.snapshot import Meta, Snapshot
from fairlead.specs.reports import ErrorReport
from fairlead.store.progress import Progress
from fairlead.store.records import (
    AttemptRecord,
    ContainerState,
    Ended,
    Event,
    Evidence,
    Observation,
    PodCondition,
    PodEvent,
    RunSpec,
)
from store.playing import SEEDS, Play, count_items, graphs
from worker.test_concluding import CHAIN, RUN

WHOLE = Target(RUN)
TIME = 1_764_000_000.0


def spec_of(graph) -> RunSpec:  # type: ignore[no-untyped-def]
    return RunSpec(run=RUN, created=TIME, graph=graph)


def why(progress: Progress, *, status: str = "failed", target: Target = WHOLE, asked: tuple[Event, ...] = ()) -> Answer:
    """Explain a run, or an instance of it, by its records alone."""
    spec = spec_of(progress.graph)
    document = report(spec, progress, status=status)  # type: ignore[arg-type]  # a status
    picture = pictured(spec, document, progress, asked, target)
    snapshot = Snapshot(Meta(), picture.objects, picture.events, picture.logs)
    return explain(snapshot, snapshot.things[subject(spec, target)])


@settings(deadline=None, max_examples=60)
@given(graphs(), SEEDS)
def test_all_that_failed_is_counted_and_all_else_follows(graph, seed) -> None:  # type: ignore[no-untyped-def]
    progress = Play(graph, seed).run().progress
    failed = [each for each in progress.instances.values() if each.status == "failed"]
    blocked = [each for each in progress.instances.values() if each.status == "blocked"]
    answer = why(progress)
    assert sum(each.count for each in answer.causes if each.id != "unknown") >= bool(failed)
    assert sum(each.count for each in answer.consequences if each.id == "needs-what-is-not-there") >= len(blocked)
    for each in blocked:
        (first, *_) = why(progress, target=Target(RUN, each.name, each.index)).causes
        assert first.id not in ("unknown", "needs-what-is-not-there")


def ended(error: ErrorReport, *evidence: Evidence, uid: str = "u1") -> Progress:
    """Return a run whose first step failed."""
    record = AttemptRecord(
        step="a", index=0, number=1, status="failed", started=TIME, finished=TIME + 9, error=error, pod_uid=uid
    )
    records: list[Observation] = [Ended(record=record), *evidence]
    return Progress(CHAIN, count_items, records=records)


def seen(cause: str, message: str, **more: object) -> Evidence:
    """Return what a watcher saw of the pod of the first step."""
    given: dict[str, object] = {"transition": "ended", "phase": "Failed", **more}
    return Evidence(
        step="a", index=0, pod="a-1", uid="u1", time=TIME + 8, cause=cause, message=message, **given  # type: ignore[arg-type]
    )  # fmt: skip


def test_what_ended_a_pod_from_outside_is_the_cause_by_what_watchers_saw_of_the_pod() -> None:
    condition = PodCondition(type="DisruptionTarget", status="True", reason="PreemptionByScheduler",
                             message="Preempted in order to admit critical pod", since="2025-11-24T16:00:08Z")  # fmt: skip
    message = "Preempted in order to admit critical pod"
    answer = why(
        ended(ErrorReport(type="Preempted", message=message), seen("Preempted", message, conditions=(condition,)))
    )
    assert [(each.id, each.subject) for each in answer.causes] == [("preempted-by-priority", "Pod a-1")]
    assert "ended-from-outside" in [each.id for each in answer.consequences]


def test_the_words_of_the_kubelet_are_read_as_it_gives_them() -> None:
    message = "Evicted: The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi."
    answer = why(ended(ErrorReport(type="Evicted", message=message), seen("Evicted", message)))
    assert answer.causes[0].id == "node-lacks-memory"


def test_an_image_that_is_not_there_is_known_long_after_its_pod_is_gone() -> None:
    state = ContainerState(name="main", state="waiting", reason="ErrImagePull", message="manifest unknown: not found")
    event = PodEvent(type="Warning", reason="Failed", message='Failed to pull image "i:1": manifest unknown')
    sight = seen("Image", "manifest unknown", transition="image", phase="Pending", containers=(state,), events=(event,))
    answer = why(ended(ErrorReport(type="Image", message="manifest unknown"), sight))
    assert answer.causes[0].id == "image-not-found" and len(answer.causes) == 1


def test_what_a_step_said_itself_settles_what_its_pod_shows() -> None:
    state = ContainerState(name="main", state="terminated", reason="Error", exit_code=1)
    sight = seen("Exit", "its container ended", containers=(state,), log="KeyError: 'x'\n")
    error = ErrorReport(type="ValueError", message="no luck", frames=("flow.py:3 in a",))
    answer = why(ended(error, sight))
    assert [each.message for each in answer.causes] == ["it raised ValueError: no luck, at flow.py:3 in a"]


def test_a_container_that_ended_without_a_record_is_explained_by_its_last_words() -> None:
    state = ContainerState(name="main", state="terminated", reason="Error", exit_code=1)
    message = "its container ended with exit code 1 before it left a record"
    sight = seen(
        "Exit", message, containers=(state,), log="CUDA driver version is insufficient for CUDA runtime version"
    )
    answer = why(ended(ErrorReport(type="Exit", message=message), sight))
    assert answer.causes[0].id == "driver-too-old"


def test_a_cancelled_run_says_by_whom() -> None:
    progress = Progress(CHAIN, count_items)
    answer = why(progress, status="cancelled", asked=(Event(kind="cancel", time=TIME, user="mia"),))
    assert (answer.state, answer.causes[0].message) == (
        "cancelled", "it was cancelled: by mia at 2025-11-24T16:00:00.000Z",
    )  # fmt: skip


def test_secrets_in_what_an_attempt_said_stay_where_they_are() -> None:
    progress = ended(ErrorReport(type="ValueError", message="password=hunter2hunter2 is refused"))
    assert "hunter2" not in repr(why(progress))


def test_objects_of_a_cluster_belong_to_the_steps_that_they_are_of() -> None:
    labels = {"fairlead.dev/run": RUN, "fairlead.dev/node": "1"}
    pod = {"kind": "Pod", "metadata": {"name": "p", "uid": "p", "labels": labels}}
    flow = {"kind": "Workflow", "metadata": {"name": "w", "uid": "w", "labels": {"fairlead.dev/run": RUN}}}
    other = {"kind": "Pod", "metadata": {"name": "q", "uid": "q"}}
    found = [each["metadata"].get("ownerReferences", [])[-1:] for each in owned([pod, flow, other], RUN, CHAIN)]
    assert [[each["name"] for each in owners] for owners in found] == [[f"{RUN}/b/0"], [RUN], []]


def test_who_may_not_read_events_of_a_pod_has_those_that_were_kept() -> None:
    event = PodEvent(
        type="Warning", reason="FailedMount", message='secret "keys" not found', time="2025-11-24T16:00:08Z"
    )
    sight = seen("Config", "no volume", transition="config", phase="Pending", events=(event,))
    progress = Progress(CHAIN, count_items, records=[sight])
    spec = spec_of(CHAIN)
    picture = pictured(spec, report(spec, progress, status="running"), progress, (), WHOLE)
    live = Snapshot(Meta(), [{
        "kind": "Pod", "metadata": {"name": "a-1", "namespace": "team", "uid": "u1"}, "spec": {"nodeName": "n1"},
        "status": {"phase": "Pending"}}])  # fmt: skip
    found = live.find("Pod", "a-1", "team")
    assert found is not None
    assert explain(live, found).causes[0].id == "unknown"
    known = Snapshot(Meta(), [found.value], list(told(picture.events, live)))
    assert [each.id for each in explain(known, found).causes] == ["mounted-config-missing"]


def test_a_run_whose_objects_were_deleted_says_so() -> None:
    spec = spec_of(CHAIN)
    progress = Progress(CHAIN, count_items)
    document = msgspec.structs.replace(report(spec, progress, status="running"), reason=GONE)
    snapshot = Snapshot(Meta(), pictured(spec, document, progress, (), WHOLE).objects)
    answer = explain(snapshot, snapshot.things[subject(spec, WHOLE)])
    assert [each.id for each in answer.causes] == ["gone-from-the-cluster"]
    assert "it waits for" in answer.consequences[0].message
