"""What watchers keep of pods, and what they end, on a real API server whose pods do what the tests say."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engines.kubernetes.watched import VALUE, Site, furnished, terminated, waiting
from engines.local.driving import wait_for
from fairlead.engines.kubernetes import recorder as recorders
from fairlead.engines.kubernetes import rights
from fairlead.engines.kubernetes.following import Follower
from fairlead.engines.kubernetes.health import serving_health
from fairlead.engines.kubernetes.known import KnownRuns, slim
from fairlead.engines.kubernetes.placing import Placing
from fairlead.engines.kubernetes.recorder import Recorder
from fairlead.engines.kubernetes.witness import Witness
from fairlead.errors import StoreError
from fairlead.kube.client import Client
from fairlead.kube.resources import POD, WORKFLOW
from fairlead.kube.watching import Watch
from fairlead.naming import iso_time
from fairlead.runs.options import Silent
from fairlead.runs.timeline import read_timeline
from fairlead.specs.graphs import Node
from fairlead.specs.reports import ErrorReport, StepReport
from fairlead.specs.runtimes import Torch
from fairlead.specs.status import SPENT
from fairlead.specs.steps import FunctionStep
from fairlead.store import claims
from fairlead.store.history import read_progress, write_event
from fairlead.store.layout import Task, attempt_key, evidence_prefix, start_key
from fairlead.store.records import AttemptRecord, Event, Started, encode
from fairlead.targets import naming
from fairlead.targets.flow_table import FLOWS
from kube.cluster import having_nodes, new_namespace, serving_workflows
from runs.test_context_checking import user_of
from servers.apiserver import ApiServer
from store.playing import graph_of
from worker.test_concluding import CHAIN

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(300)]


@pytest.fixture
def client(api_server: ApiServer) -> Iterator[Client]:
    with new_namespace(api_server) as client:
        yield furnished(client)


@pytest.fixture
def site(client: Client, tmp_path: Path) -> Site:
    return Site(client, tmp_path / "store", CHAIN)


@contextmanager
def witnessed(site: Site, *, client: Client | None = None, notes: list[str] | None = None) -> Iterator[Witness]:
    """Watch the pods of a run, and keep evidence."""
    client, noted = client or site.client, (notes if notes is not None else []).append
    labels = {naming.RUN: site.run}
    with (
        Witness(client, KnownRuns(site.backend), noted=noted) as witness,
        Watch(client, POD, labels=labels, project=slim) as pods,
    ):
        pods.wait_synced(30)
        pods.listen(witness.see)
        yield witness


def transitions(site: Site) -> set[tuple[str, str]]:
    return {(each.transition, each.cause) for each in site.seen()}


def step_of(site: Site, name: str) -> StepReport:
    return next(each for each in site.report().steps if each.name == name)


# Evidence ------------------------------------------------------------------------------------------


def test_each_transition_is_kept_once_by_however_many_watch(site: Site) -> None:
    with witnessed(site), witnessed(site):
        pod = site.pod("p", on="n")
        site.becomes("p", phase="Pending", containerStatuses=waiting("ImagePullBackOff", "manifest unknown"))
        wait_for(lambda: ("image", "Image") in transitions(site))
        step = step_of(site, "a")
        assert (step.status, step.reason) == ("waiting-image", "ImagePullBackOff: manifest unknown")
        site.tell(pod, "Killing", "Stopping container main")
        site.becomes("p", phase="Failed", containerStatuses=terminated(137, "OOMKilled"))
        wait_for(lambda: ("ended", "Memory") in transitions(site))
        site.client.delete(POD, "p", grace_s=0)
    assert transitions(site) == {("image", "Image"), ("ended", "Memory")}
    (ended,) = (each for each in site.seen() if each.transition == "ended")
    assert (ended.pod, ended.uid, ended.step, ended.index) == ("p", pod["metadata"]["uid"], "a", 0)
    assert (ended.node, ended.phase, ended.generation, ended.infrastructure) == ("n", "Failed", 1, False)
    assert [(each.name, each.exit_code, each.reason) for each in ended.containers] == [("main", 137, "OOMKilled")]
    assert [each.reason for each in ended.events] == ["Killing"]


def test_no_value_of_an_environment_is_kept(site: Site) -> None:
    with witnessed(site):
        site.pod("p", on="n")
        site.becomes("p", phase="Failed", reason="Evicted", message="The node was low on resource: memory")
        wait_for(site.seen)
    for key in site.stored("evidence/"):
        assert VALUE.encode() not in site.backend.get(evidence_prefix(site.run) + key)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("EvictionByEvictionAPI", "Evicted"),
        ("PreemptionByScheduler", "Preempted"),
        ("DeletionByTaintManager", "NodeLost"),
    ],
)
def test_a_disruption_is_known_from_its_condition_when_the_pod_is_deleted(site: Site, reason: str, cause: str) -> None:
    with witnessed(site):
        site.pod("p", on="n")
        said = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": f"{reason}!"}
        site.becomes("p", phase="Running", conditions=[said])
        site.client.delete(POD, "p")  # the kubelet, which is not there, would end it
        wait_for(site.seen)
        site.client.delete(POD, "p", grace_s=0)
    assert transitions(site) == {("ending", cause)}
    assert site.seen()[0].message == f"{reason}!"


def test_what_waits_no_longer_is_not_said_to(site: Site) -> None:
    with witnessed(site):
        site.pod("p")
        site.nowhere("p")
        wait_for(lambda: step_of(site, "a").status == "waiting-placement")
        site.becomes("p", phase="Pending", conditions=[{"type": "PodScheduled", "status": "True"}])
        wait_for(lambda: step_of(site, "a").status != "waiting-placement")
    assert step_of(site, "a").status == "pending"


def test_what_the_worker_has_recorded_and_what_was_cancelled_is_known(site: Site) -> None:
    uids = {name: site.pod(name, node=node, on="n")["metadata"]["uid"] for node, name in enumerate("pqr")}
    record = AttemptRecord(
        step="a", index=0, number=1, status="failed", started=1.0, finished=2.0, retry=True, pod_uid=uids["p"],
        error=ErrorReport(type="ValueError", message="its own"),
    )  # fmt: skip
    site.backend.create(attempt_key(site.run, Task("a", 0, 1)), encode(record))
    write_event(site.backend, site.run, Event(kind="cancel", time=1.0))
    with witnessed(site):
        site.becomes("p", phase="Failed", containerStatuses=terminated(1, "Error"))
        site.client.delete(POD, "r", grace_s=0)
        site.becomes("q", phase="Failed", containerStatuses=terminated(1, "Error"))
        wait_for(site.seen)
    assert [(each.pod, each.cause) for each in site.seen()] == [("q", "Exit")]


def test_a_pod_that_was_deleted_by_hand_and_one_that_was_never_placed(site: Site) -> None:
    with witnessed(site):
        site.pod("p", on="n")
        site.pod("q", node=2)
        site.nowhere("q")
        wait_for(lambda: ("unplaced", "Placement") in transitions(site))
        for name in "pq":
            site.client.delete(POD, name, grace_s=0)
        wait_for(lambda: len(site.seen()) == 3)
    messages = {each.pod: each.message for each in site.seen() if each.cause == "Deleted"}
    assert messages == {
        "p": "its pod p was deleted",
        "q": "its pod q was deleted while it waited for a place: 0/3 nodes are available",
    }


def test_who_may_not_list_events_keeps_the_rest(api_server: ApiServer, site: Site) -> None:
    notes: list[str] = []
    theirs = user_of(api_server, site.client, rights.SUBMITTING)
    with witnessed(site, client=theirs, notes=notes):
        site.pod("p", on="n")
        site.becomes("p", phase="Failed", reason="Evicted", message="low on memory")
        wait_for(site.seen)
    assert [(each.cause, each.events) for each in site.seen()] == [("Evicted", ())]
    assert notes == ["you may not list events: what the cluster says of pods is kept without them"]


def test_a_watcher_that_comes_late_keeps_what_the_cluster_still_shows(site: Site) -> None:
    site.pod("p", on="n")
    site.becomes("p", phase="Failed", reason="NodeShutdown", message="node is shutting down")
    for _ in range(2):
        with witnessed(site):
            wait_for(site.seen)
    assert transitions(site) == {("ended", "NodeLost")}


def test_of_a_run_that_is_over_nothing_is_kept(site: Site) -> None:
    claims.release(site.backend, site.run, site.claim)
    with witnessed(site):
        site.pod("p", on="n")
        site.becomes("p", phase="Failed", reason="Evicted", message="low on memory")
        other = Site(site.client, site.backend.root, CHAIN, run="20261126-090000-other")
        with witnessed(other):
            other.pod("q", on="n")
            other.becomes("q", phase="Failed", reason="Evicted", message="low on memory")
            wait_for(other.seen)
    assert not site.seen()


# Steps that can't be scheduled -----------------------------------------------------------------------


def policed(client: Client, folder: Path, policy: str) -> Site:
    return Site(client, folder / "store", CHAIN, unschedulable=policy)


def enforce(
    site: Site, *, at: float | None = None, client: Client | None = None, notes: list[str] | None = None
) -> None:
    """Hold the run's pods as they are against its policy, at some time, as a watcher that was just started does."""
    found = site.client.list(POD, labels={naming.RUN: site.run}).items
    clock = time.time if at is None else lambda: at
    noted = (notes if notes is not None else []).append
    Placing(client or site.client, KnownRuns(site.backend), clock=clock, noted=noted).enforce(map(slim, found))


def test_a_step_fails_when_it_could_not_be_scheduled_for_so_long(client: Client, tmp_path: Path) -> None:
    site = policed(client, tmp_path, "fail-after 10m")
    pod = site.pod("p")
    now = time.time()
    site.nowhere("p", since=now)
    enforce(site, at=now + 590)
    assert client.get(POD, "p")["status"]["phase"] == "Pending"
    for _ in range(2):
        enforce(site, at=now + 610)
    status = client.get(POD, "p")["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "Unschedulable")
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == SPENT
    assert site.stored("attempts/") == ["a.0.1"]
    (step,) = (each for each in site.report().steps if each.name == "a")
    (attempt,) = step.attempts
    assert attempt.error is not None
    assert (step.status, attempt.status, attempt.error.type) == ("failed", "failed", "Unschedulable")
    assert attempt.error.message == "could not be scheduled for 10m 0s: 0/3 nodes are available"
    (blocked,) = (each for each in site.report().steps if each.name == "b")
    assert blocked.status == "blocked"
    assert pod["metadata"]["uid"] in site.backend.get(f"runs/{site.run}/attempts/a.0.1").decode()


def test_a_step_fails_when_its_image_could_not_be_had_for_so_long(client: Client, tmp_path: Path) -> None:
    """The kubelet of its node, where there is one, says of its container what it likes, and not of the pod."""
    site = policed(client, tmp_path, "fail-after 10m")
    site.pod("p", on="n")
    now = time.time()
    placed = {"type": "PodScheduled", "status": "True", "lastTransitionTime": iso_time(now)}
    pulling = waiting("ImagePullBackOff", "manifest unknown")
    site.becomes("p", phase="Pending", conditions=[placed], containerStatuses=pulling)
    enforce(site, at=now + 590)
    assert client.get(POD, "p")["status"]["phase"] == "Pending"
    with witnessed(site):
        enforce(site, at=now + 610)
        site.becomes("p", containerStatuses=terminated(137, "ContainerStatusUnknown"))
        enforce(site, at=now + 620)
        wait_for(lambda: ("ended", "Unschedulable") in transitions(site))
    assert site.stored("attempts/") == ["a.0.1"]
    (attempt,) = step_of(site, "a").attempts
    assert attempt.error is not None and attempt.error.type == "Unschedulable"
    assert attempt.error.message == "could not have its image for 10m 0s: ImagePullBackOff: manifest unknown"


def test_how_long_a_pod_has_waited_is_said_by_the_cluster_s_clock(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = policed(client, tmp_path, "fail-after 10m")
    site.pod("p")
    seen = slim(site.nowhere("p", since=time.time()))
    own = time.time
    monkeypatch.setattr(time, "time", lambda: own() + 700)
    Placing(client, KnownRuns(site.backend)).enforce([seen])
    assert client.get(POD, "p")["status"]["phase"] == "Pending"


def test_a_pod_that_was_scheduled_meanwhile_is_left_alone(client: Client, tmp_path: Path) -> None:
    site = policed(client, tmp_path, "fail-after 1s")
    site.pod("p")
    seen = slim(site.nowhere("p", since=time.time() - 60))
    site.becomes("p", conditions=[{"type": "PodScheduled", "status": "True"}])
    Placing(client, KnownRuns(site.backend)).enforce([seen])
    assert client.get(POD, "p")["status"]["phase"] == "Pending"
    assert site.stored("attempts/") == []


def test_whoever_was_killed_before_it_was_written_down_is_replaced(client: Client, tmp_path: Path) -> None:
    """The number follows attempts that began before, and stays one whoever writes it."""
    site = policed(client, tmp_path, "fail-after 1s")
    earlier = Started(step="a", index=0, number=1, time=time.time())
    site.backend.create(start_key(site.run, Task("a", 0, 1)), encode(earlier))
    site.pod("p")
    site.nowhere("p", since=time.time() - 60)
    enforce(site)
    site.backend.delete(f"runs/{site.run}/attempts/a.0.2")
    for _ in range(2):
        enforce(site)
    assert site.stored("attempts/") == ["a.0.2"]


@pytest.mark.parametrize("told", ["batch.kubernetes.io/job-completion-index", "training.kubeflow.org/replica-index"])
def test_a_gang_fails_with_the_rank_that_could_not_be_scheduled(told: str, client: Client, tmp_path: Path) -> None:
    """The one who waits for the gang takes a rank's record for its own, and no other attempt follows."""
    pair = FunctionStep(name="pair", function="m:pair", runtime=Torch(nodes=2, processes_per_node=4))
    site = Site(client, tmp_path / "store", graph_of(Node(step="pair"), pair=pair), unschedulable="fail-after 1s")
    site.pod("pair-1", annotations={naming.GANG: "pair.0.3", told: "1"})
    site.nowhere("pair-1", since=time.time() - 60)
    with witnessed(site):
        enforce(site)
        wait_for(lambda: any(each.transition == "ended" for each in site.seen()))
    assert site.stored("attempts/") == ["pair.0.3.r4"]
    assert {(each.step, each.index, each.number) for each in site.seen()} == {("pair", 0, 3)}


@pytest.mark.parametrize("policy", ["", "warn", "fail-after 1h"])
def test_what_is_not_to_fail_waits(client: Client, tmp_path: Path, policy: str) -> None:
    site = policed(client, tmp_path, policy)
    site.pod("p")
    site.nowhere("p", since=time.time() - 60)
    enforce(site)
    assert client.get(POD, "p")["status"]["phase"] == "Pending"


def test_a_step_that_fits_on_no_node_fails_at_once_where_that_is_asked_for(
    api_server: ApiServer, client: Client, tmp_path: Path
) -> None:
    site = policed(client, tmp_path, "fail-if-never-fits")
    with having_nodes(client, {"a": {"cpu": "2"}}):
        site.pod("fits")
        site.pod("never", node=2, nodeSelector={"disk": "of-its-own"})
        for pod in ("fits", "never"):
            site.nowhere(pod)
        notes: list[str] = []
        theirs = user_of(api_server, client, (*rights.SUBMITTING, *rights.ENDING))
        enforce(site, client=theirs, notes=notes)
        assert notes == ["you may not list nodes: whether a step could ever be scheduled is not known, and it waits"]
        assert site.stored("attempts/") == []
        enforce(site)
    assert client.get(POD, "fits")["status"]["phase"] == "Pending"
    (step,) = (each for each in site.report().steps if each.name == "c")
    assert step.status == "failed" and "has no label disk=of-its-own" in (step.reason or "")


def test_without_the_right_a_step_waits_and_that_is_said_once(
    api_server: ApiServer, client: Client, tmp_path: Path
) -> None:
    site = policed(client, tmp_path, "fail-after 1s")
    for name in "pq":
        site.pod(name)
        site.nowhere(name, since=time.time() - 60)
    notes: list[str] = []
    enforce(site, client=user_of(api_server, client, rights.SUBMITTING), notes=notes)
    assert notes == ["you may not patch pods/status: a step that can't be scheduled waits, whatever was asked for"]
    assert client.get(POD, "p")["status"]["phase"] == "Pending"


# The client that follows -----------------------------------------------------------------------------


def workflow(site: Site, *, completed: bool = False) -> None:
    mark = {"workflows.argoproj.io/completed": "true"} if completed else {}
    metadata = {"name": f"w-{site.run}", "labels": site.labels(**mark)}
    made = {"apiVersion": WORKFLOW.api_version, "kind": "Workflow", "metadata": metadata, "spec": {}}
    site.client.create(WORKFLOW, made)


def complete(site: Site) -> None:
    mark = {"metadata": {"labels": {"workflows.argoproj.io/completed": "true"}}}
    site.client.patch(WORKFLOW, f"w-{site.run}", mark)


def test_the_listed_rights_are_enough_to_follow_and_to_keep_evidence(
    api_server: ApiServer, client: Client, tmp_path: Path
) -> None:
    with serving_workflows(client):
        site = policed(client, tmp_path, "fail-after 1s")
        workflow(site)
        theirs = user_of(api_server, client, (*rights.SUBMITTING, *rights.WITNESSING, *rights.ENDING))
        progress = read_progress(site.backend, site.spec)
        follower = Follower(theirs, site.namespace, site.backend, site.spec, progress, Silent(), FLOWS["workflow"])
        ended: list[bool] = []
        thread = threading.Thread(target=lambda: ended.append(follower.follow(f"w-{site.run}")), daemon=True)
        thread.start()
        site.pod("p")
        site.pod("q", node=2, on="n")
        site.nowhere("p")
        wait_for(lambda: progress.instances["a", 0].status == "failed")
        site.becomes("q", phase="Failed", reason="Evicted", message="low on memory")
        wait_for(lambda: ("ended", "Evicted") in transitions(site))
        complete(site)
        thread.join(30)
        assert ended == [True]


# The recorder ------------------------------------------------------------------------------------------


@contextmanager
def recording(site: Site, client: Client, **options: object) -> Iterator[tuple[Recorder, list[str]]]:
    notes: list[str] = []
    found = Recorder(client, site.backend, site.namespace, noted=notes.append, **options)  # type: ignore[arg-type]
    stop = threading.Event()
    thread = threading.Thread(target=found.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield found, notes
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let recorders look often."""
    monkeypatch.setattr(recorders, "LOOK_S", 0.05)
    monkeypatch.setattr(recorders, "CONCLUDE_S", 0.2)


def test_two_recorders_with_their_rights_alone_do_what_one_would(
    api_server: ApiServer, client: Client, tmp_path: Path, quick: None
) -> None:
    with serving_workflows(client):
        site = policed(client, tmp_path, "fail-after 1s")
        workflow(site)
        theirs = user_of(api_server, client, (*rights.RECORDING, *rights.ENDING))
        with recording(site, theirs, ends=True) as (first, _), recording(site, theirs, ends=True):
            uid = site.pod("p", on="n")["metadata"]["uid"]
            began = Started(step="a", index=0, number=1, time=time.time(), pod="p", pod_uid=uid)
            site.backend.create(start_key(site.run, Task("a", 0, 1)), encode(began))
            site.becomes("p", phase="Failed", containerStatuses=terminated(137, "OOMKilled"))
            site.pod("q", node=2)
            site.nowhere("q")
            wait_for(lambda: ("ended", "Memory") in transitions(site))
            wait_for(lambda: site.stored("attempts/") == ["c.0.1"])
            assert first.is_well
            client.delete(WORKFLOW, f"w-{site.run}")
            wait_for(lambda: claims.has_ended(site.backend, site.run, site.claim))
        report = site.report()
        found = {each.name: each.attempts[0].error for each in report.steps if each.attempts}
        assert report.status == "failed"
        assert {name: error.type for name, error in found.items() if error} == {"a": "Memory", "c": "Unschedulable"}
        assert site.stored("evidence/") == []
        assert any("Memory" in each.message for each in read_timeline(site.backend, site.run))


def test_a_recorder_that_was_away_concludes_what_ended_meanwhile(client: Client, tmp_path: Path, quick: None) -> None:
    with serving_workflows(client):
        gone, ended, going = (
            Site(client, tmp_path / "store", CHAIN, run=f"20261126-08000{number}-abcde") for number in range(3)
        )
        workflow(ended, completed=True)
        workflow(going)
        with recording(gone, client) as (_, notes):
            for each in (gone, ended):
                wait_for(lambda each=each: claims.has_ended(each.backend, each.run, each.claim))
                assert each.report().status == "failed"
        assert not claims.has_ended(going.backend, going.run, going.claim)
        assert sorted(note for note in notes if "left no word" in note) == [
            f"run {each.run} failed: its last pod left no word of it" for each in (gone, ended)
        ]


def test_pods_of_runs_that_another_store_has_are_none_of_its_business(
    client: Client, tmp_path: Path, quick: None
) -> None:
    with serving_workflows(client):
        own = Site(client, tmp_path / "own", CHAIN, run="20261126-080000-owned")
        other = Site(client, tmp_path / "other", CHAIN, run="20261126-080000-other", unschedulable="fail-after 1s")
        with recording(own, client, ends=True):
            other.pod("q")
            other.nowhere("q", since=time.time() - 60)
            own.pod("p", on="n")
            own.becomes("p", phase="Failed", reason="Evicted", message="low on memory")
            wait_for(own.seen)
        assert not other.seen() and not other.stored("attempts/")
        assert client.get(POD, "q")["status"]["phase"] == "Pending"


def test_it_hands_its_pods_now_and_then_to_who_says_why_they_wait(
    site: Site, client: Client, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorders, "EXPLAIN_S", 0.1)
    given: list[set[str]] = []

    def explain(pods: Iterable[dict[str, Any]]) -> None:
        given.append({each["metadata"]["name"] for each in pods})
        if len(given) == 1:
            raise StoreError("the store is away")

    site.pod("p")
    with serving_workflows(client), recording(site, client, waits=explain) as (found, notes):
        wait_for(lambda: len(given) > 1)
        assert given[-1] == {"p"} and found.is_well
    assert any("the store is away" in note for note in notes)


def test_it_says_whether_it_is_well() -> None:
    well = [True]
    with serving_health(lambda: well[0], 0) as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
        well[0] = False
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz")
