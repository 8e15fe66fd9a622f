"""The client against a real API server: verbs, refusals, permissions, discovery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fairlead.kube import access
from fairlead.kube.client import EVERYWHERE, Client
from fairlead.kube.discovery import Discovery
from fairlead.kube.failures import (
    AlreadyExists,
    ApiError,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    NotFound,
    Rule,
    Unauthorized,
)
from fairlead.kube.resources import (
    CONFIG_MAP,
    CUSTOM_RESOURCE_DEFINITION,
    EVENT,
    JOB,
    NAMESPACE,
    NODE,
    POD,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    WORKFLOW,
    Kind,
)
from fairlead.kube.watching import Watch
from fairlead.testing.faults import FaultyProxy, Schedule
from kube.cluster import PACE, PATIENCE_S, Follower, new_namespace
from servers import apiserver
from servers.apiserver import ApiServer
from servers.fixtures import start_or_skip

pytestmark = pytest.mark.apiserver


@pytest.fixture
def client(api_server: ApiServer) -> Iterator[Client]:
    with new_namespace(api_server) as client:
        yield client


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"app": "x"}}, "data": data}


def job(name: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "localhost/none:1"}
    return {
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}, **spec},
    }


def test_an_object_is_made_read_changed_and_deleted(client: Client) -> None:
    made = client.create(CONFIG_MAP, config_map("a", n="1"))
    assert client.get(CONFIG_MAP, "a") == made
    made["data"]["n"] = "2"
    changed = client.replace(CONFIG_MAP, made)
    assert client.patch(CONFIG_MAP, "a", {"data": {"m": "3"}})["data"] == {"n": "2", "m": "3"}
    assert client.patch(CONFIG_MAP, "a", [{"op": "remove", "path": "/data/m"}], how="json")["data"] == {"n": "2"}
    with pytest.raises(Conflict):
        client.replace(CONFIG_MAP, changed)
    with pytest.raises(Conflict):
        client.delete(CONFIG_MAP, "a", uid="another")
    client.delete(CONFIG_MAP, "a", uid=made["metadata"]["uid"])
    with pytest.raises(NotFound) as caught:
        client.get(CONFIG_MAP, "a")
    assert caught.value.is_served


def test_a_name_that_is_taken_is_told_and_a_dry_run_takes_none(client: Client) -> None:
    client.create(CONFIG_MAP, config_map("a"), dry_run=True)
    client.create(CONFIG_MAP, config_map("a"))
    with pytest.raises(AlreadyExists):
        client.create(CONFIG_MAP, config_map("a"))


def test_what_is_invalid_names_its_fields_and_an_unknown_field_is_refused(client: Client) -> None:
    with pytest.raises(Invalid) as caught:
        client.create(JOB, job("a", parallelism=-1))
    assert [each.path for each in caught.value.causes] == ["spec.parallelism"]
    with pytest.raises(ApiError, match=r'unknown field "spec\.paralelism"'):
        client.create(JOB, job("a", paralelism=1))


def test_server_side_apply_makes_and_owns(client: Client) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", **config_map("a", n="1")}
    client.patch(CONFIG_MAP, "a", manifest, how="apply", manager="one")
    manifest["data"] = {"n": "2"}
    with pytest.raises(Conflict, match="one"):
        client.patch(CONFIG_MAP, "a", manifest, how="apply", manager="two")
    assert client.patch(CONFIG_MAP, "a", manifest, how="apply", manager="two", force=True)["data"] == {"n": "2"}


def test_lists_have_pages_selectors_and_metadata(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        client.create(CONFIG_MAP, config_map(f"c{number}", n="x" * 100))
    pages = [*client.pages(CONFIG_MAP.path(client.connection.namespace), limit=3)]
    assert [len(page.items or ()) for page in pages] == [3, 3, 1]
    assert len({page.metadata.resourceVersion for page in pages}) == 1
    assert client.list(CONFIG_MAP, labels={"app": "y"}).items == []
    assert len(client.list(CONFIG_MAP, fields="metadata.name=c3").items) == 1
    (found, *_) = client.list(CONFIG_MAP, labels="app in (x)", metadata_only=True).items
    assert "data" not in found
    assert found["metadata"]["labels"] == {"app": "x"}
    assert len(client.list(CONFIG_MAP, namespace=EVERYWHERE, labels="app=x").items) >= 7
    client.delete_collection(CONFIG_MAP, namespace=client.connection.namespace, labels="app=x")
    assert client.list(CONFIG_MAP, labels="app=x").items == []


def event(client: Client, name: str) -> dict[str, Any]:
    """Return an Event: the one kind whose reads go past the server's cache, and so meet what etcd has forgotten."""
    return {"metadata": {"name": name}, "involvedObject": {"namespace": client.connection.namespace}}


def test_a_list_outlives_the_versions_that_the_server_keeps(
    api_server: ApiServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        client.create(EVENT, event(client, f"e{number}"))
    pages = client.pages(EVENT.path(client.connection.namespace), limit=2)
    next(pages)
    client.create(EVENT, event(client, "late"))
    apiserver.compact(api_server)
    with pytest.raises(Expired):
        next(pages)


def test_a_watch_outlives_the_versions_that_the_server_keeps(api_server: ApiServer, client: Client) -> None:
    follower, namespace = Follower(), client.connection.namespace
    schedule = Schedule(1, faults=1, density=1.0, only=["silent"])
    with FaultyProxy(api_server.url, schedule, api_server.tls()) as proxy:
        watching = Client(api_server.connection(server=proxy.url, namespace=namespace))
        with Watch(watching, EVENT, pace=PACE) as watch:
            watch.listen(follower)
            watch.wait_synced(PATIENCE_S)
            for number in range(6):  # the last of them are not told: the stream has fallen silent
                client.create(EVENT, event(client, f"e{number}"))
            client.delete(EVENT, "e0")
            apiserver.compact(api_server)
            truth = {
                (namespace, each["metadata"]["name"]): each["metadata"]["resourceVersion"]
                for each in client.list(EVENT).items
            }
            assert follower.wait(truth)
            assert watch.relists == 1
            assert follower.wrong == []


def test_a_kind_that_is_not_served_is_told_from_an_object_that_is_missing(client: Client) -> None:
    with pytest.raises(NotFound) as caught:
        client.list(WORKFLOW)
    assert not caught.value.is_served
    with pytest.raises(NotFound) as caught:
        client.create(CONFIG_MAP, config_map("a"), namespace="nowhere")
    assert caught.value.is_served


class Plain(Client):
    """A client to which a server tells groups one by one, as old ones do."""

    def request(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        return super().request(method, path, **{**more, "accept": ""})


def test_discovery_is_the_same_in_its_old_form_and_its_new(client: Client) -> None:
    new, old = Discovery(client), Discovery(Plain(client.connection))
    assert {group: [*each] for group, each in new.groups().items()} == {
        group: [*each] for group, each in old.groups().items()
    }
    for kind in (POD, NODE, JOB, NAMESPACE, ROLE):
        assert new.served(kind) == old.served(kind) == (kind.version,)
        assert new.find(kind.group, kind.kind) == old.find(kind.group, kind.kind) == kind
    assert new.served(WORKFLOW) == old.served(WORKFLOW) == ()
    assert new.best(JOB.at("v9")) == JOB
    assert new.best(WORKFLOW) is None
    assert not new.serves(JOB.at("v9"))


def wait_synced_in_the_end(watch: Watch) -> None:
    """Wait through refusals that do not last."""
    with watch._news:
        assert watch._news.wait_for(lambda: watch.is_synced, PATIENCE_S)


def crd(group: str, plural: str, kind: str, *versions: str) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"plural": plural, "kind": kind, "singular": kind.lower()}
    served = [{"name": each, "served": True, "storage": each == versions[0], "schema": schema} for each in versions]
    return {
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": served},
    }


def test_a_kind_that_is_installed_later_is_seen_after_forgetting(client: Client) -> None:
    thing = Kind("late.example", "v1", "Thing", "things")
    discovery = Discovery(client)
    assert discovery.served(thing) == ()
    client.create(CUSTOM_RESOURCE_DEFINITION, crd("late.example", "things", "Thing", "v1", "v1beta1"))
    with Watch(client, thing, pace=PACE) as watch:
        wait_synced_in_the_end(watch)  # it goes on asking until the kind is served
    assert discovery.served(thing) == ()
    discovery.forget()
    assert discovery.served(thing) == ("v1", "v1beta1")


def account(client: Client, name: str, *rules: Rule) -> str:
    """Make a service account with these permissions and no others, and return its token."""
    namespace = client.connection.namespace
    client.create(SERVICE_ACCOUNT, {"metadata": {"name": name}})
    client.create(ROLE, access.smallest_role(name, namespace, rules))
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    reference = {"apiGroup": ROLE.group, "kind": "Role", "name": name}
    client.create(ROLE_BINDING, {"metadata": {"name": name}, "subjects": [subject], "roleRef": reference})
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    found = client.request("POST", SERVICE_ACCOUNT.path(namespace, name, "token"), body=asked)
    token: str = found["status"]["token"]
    return token


GIVEN = [
    Rule("get", "", "pods"),
    Rule("list", "", "pods"),
    Rule("get", "", "pods/log"),
    Rule("create", "batch", "jobs"),
]


@pytest.fixture
def restricted(api_server: ApiServer, client: Client) -> Iterator[Client]:
    token = account(client, "worker", *GIVEN)
    with Client(api_server.connection(token=token, namespace=client.connection.namespace)) as restricted:
        yield restricted


def test_what_a_role_lacks_is_what_the_refusal_names(client: Client, restricted: Client) -> None:
    assert restricted.list(POD).items == []
    with pytest.raises(Forbidden) as caught:
        restricted.list(JOB)
    lacking = caught.value.missing_rule
    assert lacking == ("list", "batch", "jobs")
    assert caught.value.exit_code == 3
    assert client.connection.namespace in caught.value.next
    client.replace(ROLE, access.smallest_role("worker", client.connection.namespace, [*GIVEN, lacking]))
    with Watch(restricted, JOB, pace=PACE) as watch:  # the server notices a new Role within a moment
        wait_synced_in_the_end(watch)


def test_somebody_else_can_be_impersonated(api_server: ApiServer, client: Client) -> None:
    headers = (("Impersonate-User", "jane"), ("Impersonate-Group", "one"), ("Impersonate-Group", "two"))
    with Client(replace(client.connection, headers=headers)) as jane:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        found = jane.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=body)["status"][
            "userInfo"
        ]
    assert found["username"] == "jane"
    assert {"one", "two"} <= {*found["groups"]}


def test_what_is_allowed_can_be_asked_beforehand(restricted: Client) -> None:
    namespace = restricted.connection.namespace
    lacking = [Rule("watch", "", "pods"), Rule("create", "", "pods/exec"), Rule("delete", "batch", "jobs")]
    assert access.allowed(restricted, [*GIVEN, *lacking], namespace) == dict.fromkeys(GIVEN, True) | dict.fromkeys(
        lacking, False
    )
    assert access.missing(restricted, [*lacking, *GIVEN], namespace) == lacking
    assert access.missing(restricted, [Rule("list", "", "nodes")], "") == [Rule("list", "", "nodes")]


def test_the_administrator_may_do_everything(client: Client) -> None:
    assert access.missing(client, [*GIVEN, Rule("list", "", "nodes")], client.connection.namespace) == []
    assert access.missing(client, [Rule("list", "", "nodes")], "") == []


def test_the_smallest_role_is_sorted_and_shares_rules() -> None:
    assert access.smallest_role("r", "ml", [*GIVEN, *GIVEN])["rules"] == [
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]},
    ]


def test_a_token_that_is_none_is_unauthorized(api_server: ApiServer) -> None:
    with Client(api_server.connection(token="nonsense")) as client, pytest.raises(Unauthorized):
        client.list(POD)


def test_metadata_alone_is_watched_too(client: Client) -> None:
    follower = Follower()
    with Watch(client, CONFIG_MAP, metadata_only=True, labels="app=x", pace=PACE) as watch:
        watch.listen(follower)
        watch.wait_synced(PATIENCE_S)
        made = client.create(CONFIG_MAP, config_map("a", n="1"))
        metadata = made["metadata"]
        assert follower.wait({(metadata["namespace"], "a"): metadata["resourceVersion"]})
        found = watch.get("a", metadata["namespace"])
        assert found is not None
        assert "data" not in found


@pytest.mark.slow
def test_a_watch_outlives_the_server_and_learns_what_went_meanwhile() -> None:
    server = start_or_skip(apiserver.start)
    try:
        client = new_namespace(server)
        namespace = client.connection.namespace
        for name in "abc":
            client.create(CONFIG_MAP, config_map(name))
        follower = Follower()
        with Watch(client, CONFIG_MAP, labels="app=x", pace=PACE) as watch:
            watch.listen(follower)
            watch.wait_synced(PATIENCE_S)
            apiserver.crash(server)
            server = apiserver.start_again(server)
            client.delete(CONFIG_MAP, "a")
            client.create(CONFIG_MAP, config_map("d"))
            truth = {
                (namespace, each["metadata"]["name"]): each["metadata"]["resourceVersion"]
                for each in client.list(CONFIG_MAP, labels="app=x").items
            }
            assert follower.wait(truth)
            assert watch.versions() == truth
            assert follower.wrong == []
    finally:
        apiserver.end(server)
