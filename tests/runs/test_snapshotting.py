"""Snapshots of a real API server: what is in them, what may not be read, and that secrets stay where they are."""

from __future__ import annotations

import pytest

from fairlead.errors import NotFoundError
from fairlead.insight.nodes import PODS_ELSEWHERE
from fairlead.insight.why import explain
from fairlead.kube.client import Client
from fairlead.kube.failures import Rule
from fairlead.kube.resources import EVENT, JOB, POD, RESOURCE_QUOTA
from fairlead.runs.snapshotting import LOG_BYTES, logs_of, subject_of, take
from fairlead.snapshots.snapshot import LogName, Meta, Snapshot, Unread
from insight import pictures as p
from kube.cluster import having_nodes, new_namespace, user_of
from kube.scripted import Answer, scripted
from servers.apiserver import ApiServer

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(120)]

POD_SPEC = {"containers": [{"name": "main", "image": "i", "env": [{"name": "KEY", "value": "hunter2-hunter2"}]}]}


@pytest.fixture
def client(api_server: ApiServer) -> Client:
    """Have a namespace with a pod and a job, for which a controller found no room in a quota."""
    found = new_namespace(api_server)
    namespace = found.connection.namespace
    found.create(POD, {"metadata": {"name": "p"}, "spec": POD_SPEC})
    job = {"template": {"spec": {**POD_SPEC, "restartPolicy": "Never"}}}
    uid = found.create(JOB, {"metadata": {"name": "j"}, "spec": job})["metadata"]["uid"]
    found.create(RESOURCE_QUOTA, {"metadata": {"name": "compute"}, "spec": {"hard": {"requests.cpu": "1"}}})
    message = 'Error creating: pods "j-x" is forbidden: exceeded quota: compute, requested: requests.cpu=2, used:'
    found.create(EVENT, {
        "metadata": {"name": "j.1"}, "reason": "FailedCreate", "type": "Warning",
        "message": f"{message} requests.cpu=0, limited: requests.cpu=1",
        "involvedObject": {"kind": "Job", "name": "j", "namespace": namespace, "uid": uid},
    })  # fmt: skip
    return found


def test_what_is_there_is_read_and_explained_without_values_of_variables(client: Client) -> None:
    namespace = client.connection.namespace
    snapshot = take(client, namespace, subject="job/j")
    assert {"Pod", "Job", "ResourceQuota"} <= {ref.kind for ref in snapshot.things}
    assert len(snapshot.events) == 1 and not snapshot.meta.unread
    assert "hunter2" not in repr([each.value for each in snapshot.things.values()])
    (cause,) = explain(snapshot, subject_of(snapshot, "jobs/j", namespace)).causes
    assert cause.id == "quota-of-namespace" and "2" in cause.message


def test_what_may_not_be_read_is_said_to_be_missing(client: Client, api_server: ApiServer) -> None:
    user = user_of(api_server, client, (Rule("list", "", "pods"),))
    snapshot = take(user, client.connection.namespace)
    assert {ref.kind for ref in snapshot.things} == {"Pod"} and not snapshot.events
    assert {"jobs", "nodes", "events"} <= {each.what for each in snapshot.meta.unread}


GPU = "nvidia.com/gpu"


def gpus(number: int) -> dict[str, object]:
    container = {"name": "main", "image": "i", "resources": {"limits": {GPU: str(number)}}}
    return {"containers": [container], "automountServiceAccountToken": False}


def test_what_others_have_of_the_nodes_is_read_or_nothing_is_said_of_what_is_free(
    client: Client, api_server: ApiServer
) -> None:
    others = new_namespace(api_server)
    message = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
    unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    client.create(POD, {"metadata": {"name": "g"}, "spec": gpus(4)})
    client.patch(POD, "g", {"status": {"conditions": [unplaced]}}, subresource="status")
    namespace, four = client.connection.namespace, {GPU: "4", "cpu": "8"}
    reading = tuple(Rule("list", group, each) for group, each in (("", "pods"), ("", "events"), ("batch", "jobs")))
    theirs = user_of(api_server, client, reading, wide=(Rule("list", "", "nodes"),))
    with having_nodes(client, {"a": four, "b": four}) as names:
        for name in names:
            spec = {**gpus(2), "nodeName": name, "terminationGracePeriodSeconds": 0}
            others.create(POD, {"metadata": {"name": name, "labels": {"of": "others"}}, "spec": spec})
        all_of_it, own = take(client, namespace), take(theirs, namespace)
        (known,), (half_known,) = (explain(each, subject_of(each, "g", namespace)).causes for each in (all_of_it, own))
        for name in names:
            others.delete(POD, name)
    assert (known.id, half_known.id) == ("gpus-scattered", "insufficient-resources")
    assert known.message.startswith(f"4 {GPU} are free, and no node has 4 of them together")
    assert PODS_ELSEWHERE in {each.what for each in own.meta.unread}
    assert not all_of_it.meta.unread


def test_logs_of_gangs_that_run_are_read_with_times_and_cut_at_their_beginning() -> None:
    ranks = [p.rank(number) for number in range(2)]
    said = "2026-11-20T10:00:00.1Z step 1 token=hunter2-hunter2\n"
    with scripted(Answer(body=said.encode()), Answer(body=b"y" + b"x" * LOG_BYTES)) as server:
        logs = dict(logs_of(Client(server.connection()), p.picture(p.gang(), *ranks), []))
        late = p.rank(2, state={"waiting": {"reason": "ContainerCreating"}})
        assert not dict(logs_of(Client(server.connection()), p.picture(p.gang(), *ranks, late), []))  # its own cause
    first, second = (LogName(f"fit-{number}", "main") for number in range(2))
    assert logs == {first: "2026-11-20T10:00:00.1Z step 1 token=[redacted]\n", second: "x" * LOG_BYTES}
    assert len(server.asked) == 2 and all("timestamps=true" in each.path for each in server.asked)


def test_logs_of_the_gang_that_is_asked_about_are_read_before_those_of_others() -> None:
    of = {name: [p.thing("Pod", f"{name}-{number}", owner=name, status=p.rank(0)["status"]) for number in range(40)]
          for name in ("j", "k")}  # fmt: skip
    snapshot = p.picture(p.gang(), p.gang(name="k"), *of["j"], *of["k"])
    for asked, first in (("job/k", "k"), ("j-3", "j")):
        seen, unread = Snapshot(Meta(subject=asked), [each.value for each in snapshot.things.values()]), list[Unread]()
        with scripted(Answer(body=b"2026-11-20T10:00:00.1Z step 1\n")) as server:
            names = [name.pod for name, _ in logs_of(Client(server.connection()), seen, unread)]
        assert len(names) == 50 and all(name.startswith(first) for name in names[:40])
        assert [each.what for each in unread] == ["the logs of 30 containers"]


def test_a_name_that_is_not_there_is_refused(client: Client) -> None:
    snapshot = take(client, client.connection.namespace)
    with pytest.raises(NotFoundError, match="there is no object 'job/x'"):
        subject_of(snapshot, "job/x", client.connection.namespace)
