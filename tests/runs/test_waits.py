"""Why steps wait, as a recorder sees it that may read nodes and queues, and as those are told who may not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engines.kubernetes.watched import Site
from fairlead.engines.kubernetes import rights
from fairlead.engines.kubernetes.known import KnownRuns, slim
from fairlead.insight.why import Answer, Cause, explain
from fairlead.kube.client import Client
from fairlead.kube.resources import CLUSTER_QUEUE, LOCAL_QUEUE, POD, RESOURCE_FLAVOR, WORKLOAD, Kind
from fairlead.runs.snapshotting import subject_of, take
from fairlead.runs.waits import FRESH_S, WaitKeeper, run_of, with_waits
from fairlead.snapshots.snapshot import Unread
from fairlead.store import claims
from fairlead.store.layout import waits_key
from fairlead.store.records import WaitCause, Waits, decode, encode
from fairlead.targets import naming
from kube.cluster import having_nodes, new_namespace, serving, some, user_of
from servers.apiserver import ApiServer
from worker.test_concluding import CHAIN

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(300)]

GPU = "nvidia.com/gpu"
HIDDEN = (Unread(what="nodes", why="you may not list them"),)
KUEUES = (WORKLOAD, LOCAL_QUEUE, CLUSTER_QUEUE, RESOURCE_FLAVOR)


@pytest.fixture
def client(api_server: ApiServer) -> Iterator[Client]:
    with new_namespace(api_server) as found:
        yield found


@pytest.fixture
def site(client: Client, tmp_path: Path) -> Site:
    return Site(client, tmp_path / "store", CHAIN)


def unplaced(site: Site, name: str, *, node: int, message: str) -> dict[str, Any]:
    """Have a step's pod that asks for four GPUs and has no place."""
    container = {"name": "main", "image": "i", "resources": {"limits": {GPU: "4"}}}
    site.pod(name, node=node, containers=[container])
    since = "2026-11-26T08:00:00Z"
    said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return site.becomes(name, conditions=[{**said, "lastTransitionTime": since}])


@contextmanager
def scattered(client: Client, others: Client) -> Iterator[None]:
    """Have two nodes with four GPUs, half of which others use."""
    four = {GPU: "4", "cpu": "8"}
    with having_nodes(client, {"a": four, "b": four}) as names:
        for name in names:
            container = {"name": "main", "image": "i", "resources": {"limits": {GPU: "2"}}}
            spec = {"nodeName": name, "containers": [container], "terminationGracePeriodSeconds": 0}
            others.create(POD, {"metadata": {"name": f"theirs-{name}"}, "spec": spec})
        yield
        for name in names:
            others.delete(POD, f"theirs-{name}")


def kept(site: Site, run: str = "") -> Waits:
    key = waits_key(run or site.run, site.claim.number)
    return decode(site.backend.get(key), Waits, key=key)


def create(client: Client, kind: Kind, name: str, **fields: Any) -> None:
    client.create(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}, **fields})


def keep(site: Site, client: Client, notes: list[str] | None = None) -> None:
    """Have a recorder look once, at the pods as it keeps them."""
    pods = [slim(each) for each in site.client.list(POD).items]
    noted = notes.append if notes is not None else str
    WaitKeeper(client, KnownRuns(site.backend), noted=noted).keep(pods)


def asked(site: Site, client: Client, pod: str, *, now: float | None = None) -> Answer:
    """Answer as `fairlead why pod/NAME` does."""
    snapshot = take(client, site.namespace)
    thing = subject_of(snapshot, pod, site.namespace)
    owner = run_of(thing, site.backend)
    assert owner is not None and owner[0] == site.run
    return with_waits(explain(snapshot, thing), site.backend, *owner, now=now)


def test_who_may_not_read_nodes_is_told_what_a_recorder_sees(api_server: ApiServer, client: Client, site: Site) -> None:
    for name, node in (("p", 0), ("q", 0), ("r", 2)):
        unplaced(site, name, node=node, message="0/2 nodes are available: 2 Insufficient nvidia.com/gpu.")
    notes: list[str] = []
    recorder = user_of(api_server, client, rights.RECORDING, wide=rights.SEEING_WAITS, name="recorder")
    tenant = user_of(api_server, client, (*rights.SUBMITTING, *rights.WITNESSING))
    alone = asked(site, tenant, "p")
    with new_namespace(api_server) as others, scattered(client, others):
        keep(site, recorder, notes)
    assert notes == []
    (cause,) = kept(site).causes
    assert (cause.id, cause.steps, cause.count) == ("gpus-scattered", ("a", "c"), 3)
    assert "theirs" not in repr(cause) and others.connection.namespace not in repr(cause)
    assert {each.subject for each in cause.evidence} == {f"Pod {site.namespace}/p"}

    assert [each.id for each in alone.causes] == ["insufficient-resources"]
    told = asked(site, tenant, "p")
    assert [each.id for each in told.causes] == ["gpus-scattered"]
    assert told.causes[0].message.startswith(f"4 {GPU} are free, and no node has 4 of them together")
    (gap,) = (each for each in told.unread if each.what == "nodes")
    assert gap.why.startswith("you may not list them; the recorder may: this is its answer of 2")


def test_an_old_answer_is_named_and_does_not_count(api_server: ApiServer, client: Client, site: Site) -> None:
    unplaced(site, "p", node=0, message="0/2 nodes are available: 2 Insufficient nvidia.com/gpu.")
    with new_namespace(api_server) as others, scattered(client, others):
        keep(site, client)
    tenant = user_of(api_server, client, (*rights.SUBMITTING, *rights.WITNESSING))
    found = asked(site, tenant, "p", now=time.time() + FRESH_S + 1)
    assert [each.id for each in found.causes] == ["insufficient-resources"]
    assert found.unread[-1].what.startswith("the recorder's answer of 2")


def test_a_recorder_says_what_it_may_not_read_and_does_not_guess(
    api_server: ApiServer, client: Client, site: Site
) -> None:
    unplaced(site, "p", node=0, message="0/2 nodes are available: 2 Insufficient nvidia.com/gpu.")
    notes: list[str] = []
    keeper = WaitKeeper(user_of(api_server, client, rights.RECORDING), KnownRuns(site.backend), noted=notes.append)
    with new_namespace(api_server) as others, scattered(client, others):
        for _ in range(2):
            keeper.keep([slim(each) for each in client.list(POD).items])
    assert [each.id for each in kept(site).causes] == ["insufficient-resources"]
    assert sorted(note.partition(": ")[0] for note in notes) == [
        "why steps wait is said without nodes", "why steps wait is said without pods",
    ]  # fmt: skip


def test_runs_of_other_stores_and_runs_that_have_ended_are_left_alone(
    client: Client, site: Site, tmp_path: Path
) -> None:
    other = Site(client, tmp_path / "other", CHAIN, run="20261126-080000-other")
    unplaced(other, "theirs", node=0, message="0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
    unplaced(site, "p", node=0, message="0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
    claims.release(site.backend, site.run, site.claim)
    keep(site, client)
    assert not site.stored("waits/") and not other.stored("waits/")


def test_who_stands_before_a_step_in_a_strict_queue_is_not_named_to_others(
    api_server: ApiServer, client: Client, site: Site
) -> None:
    waits = {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": "for a secret reason"}
    labels = {**site.labels(), naming.NODE: "0", naming.ITEM: "0"}
    own = [{"template": {"metadata": {"labels": labels}, "spec": {}}}]
    with serving(client, {each: some(each) for each in KUEUES}), new_namespace(api_server) as others:
        create(client, CLUSTER_QUEUE, "shared", spec={"queueingStrategy": "StrictFIFO"})
        for place, name, priority, sets in ((others, "theirs", 9, []), (client, "own", 1, own)):
            create(place, LOCAL_QUEUE, "q", spec={"clusterQueue": "shared"})
            spec = {"queueName": "q", "priority": priority, "podSets": sets}
            said = {**waits, "message": ""} if place is client else waits
            create(place, WORKLOAD, name, spec=spec, status={"conditions": [said]})
        snapshot = take(client, site.namespace)
        all_of_it = explain(snapshot, subject_of(snapshot, "workload/own", site.namespace))
        keep(site, client)
    (cause,), (known,) = kept(site).causes, all_of_it.causes
    assert (cause.id, cause.layer, cause.steps) == (known.id, "quota", ("a",))
    assert f"{others.connection.namespace}/theirs" in known.message  # who may read it all is told who it is
    assert "another-workload" in cause.message and "shared" in cause.message
    assert not {"theirs", "secret", others.connection.namespace} & set(repr(cause).replace("/", " ").split())


def cause(id: str, layer: str, since: str = "2026-11-26T08:00:00Z") -> Cause:
    return Cause(
        id=id, layer=layer, confidence=1.0, subject="Pod ns/p", message=id, evidence=(), remedy="r", since=since
    )


def test_what_other_layers_show_stays_and_a_step_is_told_its_own_causes_alone(site: Site) -> None:
    theirs = [
        WaitCause(steps=(step,), id=id, layer="placement", confidence=1.0, subject="Pod ns/p", message=id, remedy="r")
        for step, id in (("a", "gpus-scattered"), ("c", "node-cordoned"))
    ]
    site.backend.put(waits_key(site.run, 1), encode(Waits(time=1000.0, causes=tuple(theirs))))
    causes = (cause("image-not-found", "image"), cause("insufficient-resources", "placement"))
    pending = Answer(subject="Run r", state="pending", causes=causes, unread=HIDDEN)

    def ids(found: Answer, step: str | None = None) -> list[str]:
        return [each.id for each in with_waits(found, site.backend, site.run, step, now=1100.0).causes]

    assert ids(pending) == ["image-not-found", "gpus-scattered", "node-cordoned"]
    assert ids(pending, "c") == ["image-not-found", "node-cordoned"]
    assert ids(pending, "b") == ["image-not-found", "insufficient-resources"]
    for changed in ({"unread": ()}, {"state": "failed"}, {"state": "running"}):
        same = msgspec.structs.replace(pending, **changed)
        assert with_waits(same, site.backend, site.run, "a", now=1100.0) is same


def test_what_was_waited_for_and_is_there_is_said_no_more(client: Client, site: Site) -> None:
    unplaced(site, "p", node=0, message="0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
    keeper = WaitKeeper(client, KnownRuns(site.backend))
    for waits, condition in ((True, {}), (False, {"status": "True", "reason": ""})):
        if condition:
            site.becomes("p", conditions=[{"type": "PodScheduled", **condition}])
        keeper.keep([slim(each) for each in client.list(POD).items])
        assert bool(site.stored("waits/")) == waits
