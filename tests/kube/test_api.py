"""Requests: what is repeated, what is not, and what every kind of refusal becomes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fairlead.kube import failures
from fairlead.kube.api import Patience
from fairlead.kube.client import Client
from fairlead.kube.credentials import Identity, bearer
from fairlead.kube.failures import ApiError, NotFound, Unauthorized, UnclearOutcome, Unreachable
from fairlead.kube.resources import CONFIG_MAP, JOB, NODE, POD
from kube.scripted import CUT, Answer, Scripted, html, scripted, status

OBJECT = Answer(body=b'{"kind": "Pod", "metadata": {"name": "a"}}')


class Clock:
    """Sleeps nobody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Rotating:
    """Credentials that are others after each renewal."""

    def __init__(self) -> None:
        self.renewed = 0

    def identity(self) -> Identity:
        return Identity(bearer(f"token-{self.renewed}"))

    def renew(self) -> bool:
        self.renewed += 1
        return True


def client(server: Scripted, clock: Clock | None = None, **more: Any) -> Client:
    return Client(server.connection(**more), sleep=(clock or Clock()).sleep, chance=lambda: 1.0)


@pytest.mark.parametrize(
    "fault", [html(502), html(503), status(500, "InternalError"), CUT, Answer(cut=20), Answer(body=b"x" * 99, cut=80)]
)
def test_a_read_is_repeated_until_it_succeeds(fault: Answer) -> None:
    clock = Clock()
    with scripted(fault, fault, OBJECT) as server:
        assert client(server, clock).get(POD, "a")["metadata"] == {"name": "a"}
    assert len(server.asked) == 3
    assert clock.slept == [0.2, 0.4]


def test_pauses_grow_to_a_limit_and_patience_ends() -> None:
    clock = Clock()
    with scripted(html(503)) as server, pytest.raises(Unreachable):
        Client(server.connection(), patience=Patience(attempts=8), sleep=clock.sleep, chance=lambda: 1.0).get(POD, "a")
    assert clock.slept == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


@pytest.mark.parametrize("fault", [html(502), status(504, "Timeout"), CUT])
def test_a_creation_that_may_have_happened_is_not_repeated(fault: Answer) -> None:
    with scripted(fault, OBJECT) as server, pytest.raises(UnclearOutcome) as caught:
        client(server).create(CONFIG_MAP, {"metadata": {"name": "a"}})
    assert len(server.asked) == 1
    assert caught.value.exit_code == 3
    assert "create configmaps in namespace ml" in caught.value.what


def test_a_creation_that_was_put_off_is_repeated() -> None:
    clock = Clock()
    with scripted(status(429, "TooManyRequests", details={"retryAfterSeconds": 3}), OBJECT) as server:
        client(server, clock).create(CONFIG_MAP, {"metadata": {"name": "a"}})
    assert clock.slept == [3.0]


def test_a_creation_that_never_got_there_is_unreachable() -> None:
    with scripted(OBJECT) as server:
        pass  # nobody listens on its port any more
    with pytest.raises(Unreachable) as caught:
        client(server).create(CONFIG_MAP, {"metadata": {"name": "a"}})
    assert not caught.value.was_sent
    assert "Connection refused" in caught.value.why


def test_a_json_patch_is_not_repeated_and_a_merge_patch_is() -> None:
    with scripted(html(502), OBJECT) as server:
        with pytest.raises(UnclearOutcome):
            client(server).patch(POD, "a", [{"op": "add", "path": "/x", "value": 1}], how="json")
        client(server).patch(POD, "a", {"x": 1})
    assert [each.headers["Content-Type"] for each in server.asked] == [
        "application/json-patch+json",
        "application/merge-patch+json",
    ]


def test_the_servers_wish_to_wait_is_followed_up_to_a_limit() -> None:
    clock = Clock()
    with scripted(html(429, {"Retry-After": "2"}), html(503, {"Retry-After": "7"}), OBJECT) as server:
        client(server, clock).get(POD, "a")
    assert clock.slept == [2.0, 7.0]
    with (
        scripted(html(429, {"Retry-After": "31"})) as server,
        pytest.raises(failures.TooManyRequests, match="try again in 31 s"),
    ):
        client(server, clock).get(POD, "a")
    assert len(server.asked) == 1


def test_refused_credentials_are_renewed_once_whatever_the_verb() -> None:
    with scripted(status(401, "Unauthorized"), OBJECT) as server:
        client(server, credentials=Rotating()).create(CONFIG_MAP, {})
    assert [each.headers["Authorization"] for each in server.asked] == ["Bearer token-0", "Bearer token-1"]
    with scripted(status(401, "Unauthorized")) as server, pytest.raises(Unauthorized):
        client(server, credentials=Rotating()).get(POD, "a")
    assert len(server.asked) == 2
    with scripted(status(401, "Unauthorized")) as server, pytest.raises(Unauthorized):
        client(server).get(POD, "a")
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [200, 400, 401, 403, 404, 409, 500, 502])
def test_what_is_no_answer_of_kubernetes_is_neither_read_nor_shown(code: int) -> None:
    with scripted(html(code)) as server, pytest.raises(failures.ClusterError) as caught:
        client(server).get(POD, "a")
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(caught.value)


CASES: list[tuple[Answer, type[ApiError], int]] = [
    (status(401, "Unauthorized"), failures.Unauthorized, 3),
    (status(403, "Forbidden"), failures.Forbidden, 3),
    (status(404, "NotFound"), failures.NotFound, 4),
    (status(409, "AlreadyExists"), failures.AlreadyExists, 3),
    (status(409, "Conflict"), failures.Conflict, 3),
    (status(422, "Invalid"), failures.Invalid, 2),
    (status(410, "Expired"), failures.Expired, 3),
    (status(410, "Gone"), failures.Expired, 3),
    (html(404), failures.NotFound, 4),
    (status(400, "BadRequest"), ApiError, 3),
    (status(500, "InternalError"), ApiError, 3),
]


@pytest.mark.parametrize(("answer", "error", "exit_code"), CASES)
def test_every_refusal_is_the_error_on_which_a_caller_acts(
    answer: Answer, error: type[ApiError], exit_code: int
) -> None:
    with scripted(answer) as server, pytest.raises(ApiError) as caught:
        client(server).get(POD, "a")
    assert type(caught.value) is error
    assert caught.value.exit_code == exit_code
    assert caught.value.code == answer.code
    assert f"{error.__name__} " in (failures.__doc__ or "")


def test_the_causes_of_what_is_invalid_have_their_fields() -> None:
    details = {
        "name": "a",
        "causes": [{"reason": "FieldValueInvalid", "message": "must be positive", "field": "spec.parallelism"}],
    }
    with scripted(status(422, "Invalid", details=details)) as server, pytest.raises(failures.Invalid) as caught:
        client(server).create(JOB, {"metadata": {"name": "a"}})
    assert caught.value.causes == (("spec.parallelism", "must be positive"),)


def test_a_missing_object_is_told_from_a_missing_kind() -> None:
    with (
        scripted(status(404, "NotFound", details={"name": "a", "kind": "pods"})) as server,
        pytest.raises(NotFound) as caught,
    ):
        client(server).get(POD, "a")
    assert caught.value.is_served
    with scripted(Answer(404, b"404 page not found\n")) as server, pytest.raises(NotFound) as caught:
        client(server).get(POD, "a")
    assert not caught.value.is_served


def test_what_rbac_lacks_is_named_and_a_quota_is_no_lack() -> None:
    message = 'pods is forbidden: User "me" cannot list resource "pods/log" in API group "" in the namespace "ml"'
    with scripted(status(403, "Forbidden", message)) as server, pytest.raises(failures.Forbidden) as caught:
        client(server).request("GET", POD.path("ml", "a", "log"))
    assert caught.value.missing_rule == ("get", "", "pods/log")
    assert "a Role in namespace ml" in caught.value.next
    with (
        scripted(status(403, "Forbidden", "exceeded quota: cpu")) as server,
        pytest.raises(failures.Forbidden) as caught,
    ):
        client(server).create(POD, {})
    assert caught.value.missing_rule is None


@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        ("GET", "/api/v1/namespaces/ml/pods", ("list", "", "pods", "ml", "")),
        ("GET", "/api/v1/pods", ("list", "", "pods", "", "")),
        ("GET", "/api/v1/nodes/n1", ("get", "", "nodes", "", "n1")),
        ("GET", "/api/v1/namespaces/ml", ("get", "", "namespaces", "", "ml")),
        ("PUT", "/api/v1/namespaces/ml/finalize", ("update", "", "namespaces/finalize", "", "ml")),
        ("DELETE", "/apis/batch/v1/namespaces/ml/jobs", ("deletecollection", "batch", "jobs", "ml", "")),
        ("POST", "/apis/batch/v1/namespaces/ml/jobs", ("create", "batch", "jobs", "ml", "")),
        ("PATCH", "/apis/batch/v1/namespaces/ml/jobs/a/status", ("patch", "batch", "jobs/status", "ml", "a")),
        ("GET", "/version", ("get", "", "/version", "", "")),
        ("GET", "/apis", ("get", "", "/apis", "", "")),
    ],
)  # fmt: skip
def test_a_request_is_named_as_rbac_names_it(method: str, path: str, call: tuple[str, ...]) -> None:
    assert failures.call_of(method, path) == call


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        (lambda it: it.get(POD, "a/b", namespace="x"), "/api/v1/namespaces/x/pods/a%2Fb"),
        (lambda it: it.get(NODE, "n1"), "/api/v1/nodes/n1"),
        (lambda it: it.get(JOB, "a"), "/apis/batch/v1/namespaces/ml/jobs/a"),
        (lambda it: it.create(JOB, {"metadata": {"namespace": "own"}}), "/apis/batch/v1/namespaces/own/jobs?fieldValidation=Strict"),
        (lambda it: it.delete(POD, "a"), "/api/v1/namespaces/ml/pods/a"),
    ],
)  # fmt: skip
def test_paths_follow_the_kind_and_the_namespace(ask: Callable[[Client], Any], path: str) -> None:
    with scripted(OBJECT) as server:
        ask(client(server))
    assert [each.path for each in server.asked] == [path]


def test_a_deletion_can_name_the_one_object_it_means() -> None:
    with scripted(OBJECT) as server:
        client(server).delete(POD, "a", uid="u1", grace_s=0)
    assert json.loads(server.asked[0].body) == {
        "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": {"uid": "u1"}, "gracePeriodSeconds": 0,
    }  # fmt: skip


def page(names: str, next: str = "") -> Answer:
    return Answer(
        body=json.dumps(
            {
                "metadata": {"resourceVersion": "7", "continue": next},
                "items": [{"metadata": {"name": name}} for name in names],
            }
        ).encode()
    )


def test_a_list_is_read_page_by_page_and_each_object_says_its_kind() -> None:
    with scripted(page("ab", "token"), page("c")) as server:
        found = client(server).list(POD, labels={"run": "r1"})
    assert [each["metadata"]["name"] for each in found.items] == ["a", "b", "c"]
    assert found.items[0]["kind"] == "Pod"
    assert found.resource_version == "7"
    assert "continue=token" in server.asked[1].path
    assert all("labelSelector=run%3Dr1" in each.path for each in server.asked)


def test_a_list_whose_token_expires_is_read_at_once_from_its_beginning() -> None:
    with scripted(page("ab", "token"), status(410, "Expired"), page("bc")) as server:
        found = client(server).list(POD)
    assert [each["metadata"]["name"] for each in found.items] == ["b", "c"]
    assert "limit=0" in server.asked[2].path


def test_a_list_that_is_null_is_empty() -> None:
    with scripted(Answer(body=b'{"metadata": {"resourceVersion": "1"}, "items": null}')) as server:
        assert client(server).list(POD) == ([], "1")


def test_connections_are_used_again() -> None:
    with scripted(OBJECT) as server, client(server) as asking:
        for _ in range(5):
            asking.get(POD, "a")
        assert asking._transport._pool is not None
        assert asking._transport._pool.connection_from_url(server.url).num_connections == 1


def test_logs_are_read_as_they_come() -> None:
    log = Answer(body=b"one\ntwo\nthr", headers={"Content-Type": "text/plain"})
    with scripted(log) as server:
        with client(server).logs(
            "a", container="main", previous=True, since="2026-01-01T00:00:00Z", tail_lines=0
        ) as stream:
            assert list(stream.lines()) == [b"one", b"two"]
        with client(server).logs("a") as stream:
            assert list(stream.lines(unfinished=True)) == [b"one", b"two", b"thr"]
        with client(server).logs("a", follow=True, limit_bytes=9) as stream:
            assert b"".join(stream.chunks()) == log.body
    assert [each.path for each in server.asked] == [
        "/api/v1/namespaces/ml/pods/a/log?container=main&previous=true&sinceTime=2026-01-01T00%3A00%3A00Z&tailLines=0",
        "/api/v1/namespaces/ml/pods/a/log",
        "/api/v1/namespaces/ml/pods/a/log?follow=true&limitBytes=9",
    ]


def test_of_a_log_whose_lines_are_too_long_together_the_last_ones_are_read() -> None:
    written = [b"x" * 9_000 + b" %d" % number for number in range(200)]

    def logged(lines: int) -> Answer:
        content = b"\n".join(written[-lines:])[: 1 << 20]  # as a kubelet does: what comes last is left out
        return Answer(body=content, headers={"Content-Type": "text/plain"})

    with scripted(logged(200), logged(25)) as server:
        found = client(server).last_lines("a", container="main", lines=200, size_bytes=20_000)
    assert len(found) == 20_000 and found.endswith(written[-2] + b"\n" + written[-1])
    assert [each.path.partition("&")[2] for each in server.asked] == [
        "tailLines=200&limitBytes=1048576", "tailLines=25&limitBytes=1048576",
    ]  # fmt: skip

    with scripted(logged(1)) as server:
        assert client(server).last_lines("a", lines=1, size_bytes=1 << 20) == written[-1]


def test_the_time_is_the_server_s_as_it_dates_its_answers() -> None:
    with scripted(Answer(headers={"Date": "Fri, 01 Jan 2027 00:00:00 GMT"})) as server:
        asking = client(server)
        assert abs(asking.now() - time.time()) < 5  # it has said nothing yet
        asking.get(POD, "a")
        assert 0 <= asking.now() - datetime(2027, 1, 1, tzinfo=UTC).timestamp() < 5
    with scripted(Answer()) as server:
        asking = client(server)
        asking.get(POD, "a")
        assert abs(asking.now() - time.time()) < 5
