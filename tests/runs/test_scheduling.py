"""Schedules in a real API server: declared in place, compared, switched, started and removed. No controller is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlead.engines.kubernetes import rights
from fairlead.engines.kubernetes.inside.launching import launched_by
from fairlead.errors import NotFoundError, SpecError, UsageError
from fairlead.kube.client import Client
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import CRON_WORKFLOW, WORKFLOW, WORKFLOW_TEMPLATE
from fairlead.runs import contexts, scheduling
from fairlead.runs.clusters import Place
from fairlead.runs.scheduling import Declared
from fairlead.specs.contexts import Context
from fairlead.specs.graphs import Graph, Node
from fairlead.specs.schedules import Schedule
from fairlead.specs.steps import FunctionStep
from fairlead.store.opened import Store
from fairlead.store.publishing import Publication
from fairlead.targets import naming
from kube.cluster import new_namespace, serving, some, user_of
from servers.apiserver import ApiServer

pytestmark = pytest.mark.apiserver
GRAPH = Graph(flow="digits", steps={"s": FunctionStep(name="s", function="m:s")}, nodes=(Node(step="s"),))
NIGHTLY = Schedule(name="nightly", cron="0 3 * * *")


@pytest.fixture(scope="module", autouse=True)
def kinds(api_server: ApiServer) -> Iterator[None]:
    client = Client(api_server.connection())
    with serving(client, {kind: some(kind) for kind in (WORKFLOW, WORKFLOW_TEMPLATE, CRON_WORKFLOW)}):
        yield


@pytest.fixture
def place(api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    with new_namespace(api_server) as client:
        namespace = client.connection.namespace
        context = Context(name="site", namespace=namespace, store="s3://b/p", image="python", worker_image="fairlead")
        contexts.add(context)
        yield Place(context, client, namespace, Store(str(tmp_path / "store"), tmp_path / "host"))
        for kind in (CRON_WORKFLOW, WORKFLOW_TEMPLATE):  # a garbage collector would let go of what was removed
            for each in client.list(kind, metadata_only=True).items:
                client.patch(kind, each["metadata"]["name"], {"metadata": {"finalizers": None}})


def declared(digest: str = "a", **changed: Any) -> list[dict[str, Any]]:
    schedule = msgspec.structs.replace(NIGHTLY, **changed)
    return scheduling.declare(
        Publication("digits", digest * 64), GRAPH, "site", Declared("nightly", {"team": "ml"}, True, schedule)
    )


def test_adding_it_again_changes_it_in_place_and_only_what_is_other_is_a_difference(place: Place) -> None:
    first = "".join(scheduling.differences(place, declared()))
    assert "+kind: WorkflowTemplate" in first and "+kind: CronWorkflow" in first
    assert scheduling.listed(place) == []  # it was a dry run
    scheduling.apply(place, declared())
    before = place.client.get(CRON_WORKFLOW, "nightly")["metadata"]
    assert list(scheduling.differences(place, declared())) == []
    template, cron = scheduling.differences(place, declared("b", cron="0 4 * * *"))
    assert "-    fairlead.dev/published: digits/aaaa" in template and "+    fairlead.dev/published: digits/bbbb" in cron
    assert "-  - 0 3 * * *\n+  - 0 4 * * *\n" in cron
    assert list(scheduling.differences(place, declared())) == []
    scheduling.apply(place, declared("b", cron="0 4 * * *", timezone="Europe/Berlin", concurrency="forbid"))
    (report,) = scheduling.listed(place)
    assert (report.published, report.cron, report.timezone) == ("b" * 64, "0 4 * * *", "Europe/Berlin")
    assert (report.flow, report.concurrency, report.suspended, report.last) == ("digits", "forbid", False, None)
    assert place.client.get(CRON_WORKFLOW, "nightly")["metadata"]["uid"] == before["uid"]


def test_what_was_declared_once_and_is_no_more_goes(place: Place) -> None:
    scheduling.apply(place, declared(deadline_s=60, kept=7))
    scheduling.apply(place, declared(kept=7))
    spec = place.client.get(CRON_WORKFLOW, "nightly")["spec"]
    assert "startingDeadlineSeconds" not in spec and spec["successfulJobsHistoryLimit"] == 7


def test_adding_it_again_leaves_it_suspended_or_not_as_somebody_has_said(place: Place) -> None:
    scheduling.apply(place, declared(suspended=True))
    assert scheduling.listed(place)[0].suspended
    scheduling.apply(place, declared())
    assert not scheduling.listed(place)[0].suspended  # nobody but who adds it had said anything
    scheduling.suspend(place, "nightly", suspended=True)
    scheduling.apply(place, declared("b"))
    assert scheduling.listed(place)[0].suspended
    assert list(scheduling.differences(place, declared("b"))) == []
    scheduling.suspend(place, "nightly", suspended=False)
    scheduling.apply(place, declared("c"))
    assert not scheduling.listed(place)[0].suspended
    scheduling.apply(place, declared("c", suspended=True))
    assert scheduling.listed(place)[0].suspended


def test_a_schedule_that_the_cluster_can_t_follow_says_why(place: Place) -> None:
    scheduling.apply(place, declared())
    conditions = [{"type": "SpecError", "status": "True", "message": "cron schedule is malformed"}]
    status = {"conditions": conditions, "active": [{"name": "x"}], "lastScheduledTime": "2026-11-26T03:00:00Z"}
    place.client.patch(CRON_WORKFLOW, "nightly", {"status": status})
    (report,) = scheduling.listed(place)
    assert (report.fault, report.active, report.last) == ("cron schedule is malformed", 1, "2026-11-26T03:00:00Z")
    assert list(scheduling.differences(place, declared())) == []


def test_starting_it_now_makes_a_workflow_whose_run_is_known(place: Place) -> None:
    scheduling.apply(place, declared())
    runs = {scheduling.start(place, "nightly") for _ in range(2)}
    found = place.client.list(WORKFLOW, labels={naming.SCHEDULE: "nightly"}).items
    assert {launched_by(each)[0] for each in found} == runs and len(runs) == 2
    assert all(each["spec"] == {"workflowTemplateRef": {"name": "nightly"}} for each in found)


def test_removing_it_removes_both_objects_and_nothing_that_they_have_started(place: Place) -> None:
    scheduling.apply(place, declared())
    scheduling.start(place, "nightly")
    scheduling.remove(place, "nightly")
    for kind in (CRON_WORKFLOW, WORKFLOW_TEMPLATE):
        try:  # there is no garbage collector that would let go of what it has started
            found = place.client.get(kind, "nightly")
            assert found["metadata"]["deletionTimestamp"] and found["metadata"]["finalizers"] == ["orphan"]
        except NotFound:
            pass
    assert len(place.client.list(WORKFLOW).items) == 1


def test_a_template_that_is_there_alone_is_started_and_removed(place: Place) -> None:
    alone = scheduling.declare(Publication("digits", "a" * 64), GRAPH, "site", Declared("alone", {}))
    scheduling.apply(place, alone)
    assert scheduling.listed(place) == []
    scheduling.start(place, "alone")
    with pytest.raises(NotFoundError):
        scheduling.suspend(place, "alone", suspended=True)
    scheduling.remove(place, "alone")


def test_an_unknown_schedule_brings_the_nearest(place: Place) -> None:
    scheduling.apply(place, declared())
    for call in (
        lambda: scheduling.start(place, "nigthly"),
        lambda: scheduling.remove(place, "nigthly"),
        lambda: scheduling.suspend(place, "nigthly", suspended=True),
    ):
        with pytest.raises(NotFoundError, match="'nightly'"):
            call()


def test_what_somebody_else_has_made_is_left_alone(place: Place) -> None:
    theirs = {
        "apiVersion": WORKFLOW_TEMPLATE.api_version,
        "kind": WORKFLOW_TEMPLATE.kind,
        "metadata": {"name": "nightly"},
        "spec": {"entrypoint": "theirs"},
    }
    place.client.create(WORKFLOW_TEMPLATE, theirs)
    with pytest.raises(UsageError, match="none of Fairlead's"):
        scheduling.apply(place, declared())
    with pytest.raises(NotFoundError):
        scheduling.remove(place, "nightly")
    assert place.client.get(WORKFLOW_TEMPLATE, "nightly")["spec"] == {"entrypoint": "theirs"}


def test_the_listed_rights_are_enough(api_server: ApiServer, place: Place) -> None:
    theirs = place._replace(client=user_of(api_server, place.client, (*rights.SUBMITTING, *rights.SCHEDULING)))
    assert list(scheduling.differences(theirs, declared()))
    scheduling.apply(theirs, declared())
    scheduling.suspend(theirs, "nightly", suspended=True)
    assert scheduling.listed(theirs)[0].suspended
    scheduling.start(theirs, "nightly")
    scheduling.remove(theirs, "nightly")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Declared("nightly", {}, True, Schedule(name="nightly", cron="x")), "cron"),
        (Declared("nightly", {"fairlead.dev/run": "x"}), "Fairlead's"),
    ],
)
def test_what_can_t_be_is_refused_before_anything_is_asked(place: Place, said: Declared, expected: str) -> None:
    with pytest.raises(SpecError, match=expected):
        scheduling.declare(Publication("digits", "a" * 64), GRAPH, "site", said)
