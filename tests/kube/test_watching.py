"""Each way in which a watch is known to lose something, and that this one does not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fairlead.errors import GaveUp
from fairlead.kube import failures
from fairlead.kube.api import Patience
from fairlead.kube.client import Client
from fairlead.kube.credentials import Identity, bearer
from fairlead.kube.mirror import Event
from fairlead.kube.resources import POD
from fairlead.kube.shapes import Lean
from fairlead.kube.watching import Pace, Watch
from kube.scripted import CUT, SILENCE, Answer, Scripted, html, listed, pod, scripted, status, told

QUICK = Pace(stream_s=30, grace_s=5, patience=Patience(first_s=0.001, longest_s=0.01))
PATIENCE_S = 20.0


class Renewable:
    renewed = 0

    def identity(self) -> Identity:
        return Identity(bearer(f"t{self.renewed}"))

    def renew(self) -> bool:
        self.renewed += 1
        return True


class Seen:
    """The events that a listener got, and waiting for them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    @property
    def short(self) -> list[tuple[str, str, str]]:
        return [
            (each.type, each.object["metadata"]["name"], each.object["metadata"]["resourceVersion"])
            for each in self.events
        ]

    def wait(self, *last: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: bool(self.events) and self.short[-1] == last, PATIENCE_S), self.short


@contextmanager
def watched(*answers: Answer, pace: Pace = QUICK, **more: Any) -> Iterator[tuple[Watch, Seen, Scripted]]:
    """Watch what a script tells; after it, there is silence."""
    seen = Seen()
    with scripted(*answers, SILENCE) as server:
        client = Client(server.connection(Renewable()))
        watch = Watch(client, POD, pace=pace, chance=lambda: 1.0, **more)
        watch.listen(seen)  # before it begins: what comes sooner would be told as it is in the end
        with watch:
            yield watch, seen, server


def asked(server: Scripted) -> list[str]:
    """Say what was asked: ``list``, or the version from which it was watched."""
    queries = [parse_qs(urlsplit(each.path).query) for each in server.asked]
    return [each["resourceVersion"][0] if "watch" in each else "list" for each in queries]


def test_a_watch_begins_at_the_lists_version_and_goes_on_from_the_last_event() -> None:
    events = told(("ADDED", pod("b", 12)), ("MODIFIED", pod("a", 13)), ("DELETED", pod("b", 14)))
    with watched(listed(11, pod("a", 5)), events, told(("ADDED", pod("c", 17)))) as (watch, seen, server):
        seen.wait("ADDED", "c", "17")
        assert seen.short == [
            ("ADDED", "a", "5"), ("ADDED", "b", "12"), ("MODIFIED", "a", "13"), ("DELETED", "b", "14"), ("ADDED", "c", "17"),
        ]  # fmt: skip
        assert set(watch.objects()) == {("ml", "a"), ("ml", "c")}
        assert watch.relists == 0
    assert asked(server)[:3] == ["list", "11", "14"]


def test_bookmarks_are_asked_for_and_gone_on_from() -> None:
    mark = {"kind": "Pod", "metadata": {"resourceVersion": "40"}}
    with watched(listed(11), told(("BOOKMARK", mark)), told(("ADDED", pod("a", 41)))) as (watch, seen, server):
        seen.wait("ADDED", "a", "41")
        assert len(watch) == 1
    assert asked(server)[:3] == ["list", "11", "40"]
    assert "allowWatchBookmarks=true" in server.asked[1].path


def test_a_stream_has_an_end_on_the_server_too() -> None:
    with watched(listed(1), told(("ADDED", pod("a", 2)))) as (_, seen, server):
        seen.wait("ADDED", "a", "2")
    assert "timeoutSeconds=30" in server.asked[1].path


EXPIRED = status(410, "Expired")
ERROR = ("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old", "metadata": {}})


@pytest.mark.parametrize("gone", [EXPIRED, told(ERROR), told(("MODIFIED", pod("a", 12)), ERROR), html(410)])
def test_a_version_that_is_too_old_in_or_out_of_the_stream_means_one_new_list(gone: Answer) -> None:
    script = listed(11, pod("a", 5), pod("b", 6)), gone, listed(30, pod("a", 29)), told(("ADDED", pod("c", 31)))
    with watched(*script) as (watch, seen, server):
        seen.wait("ADDED", "c", "31")
        assert watch.relists == 1
        assert ("DELETED", "b", "6") in seen.short, "what went meanwhile is told"
        assert set(watch.objects()) == {("ml", "a"), ("ml", "c")}
    assert asked(server)[:4] == ["list", "11", "list", "30"]


def test_an_error_in_the_stream_never_gives_the_version_to_go_on_from() -> None:
    error = ("ERROR", {"kind": "Status", "code": 500, "reason": "InternalError", "metadata": {}})
    with watched(listed(11), told(("ADDED", pod("a", 12)), error), told(("ADDED", pod("b", 13)))) as (
        watch,
        seen,
        server,
    ):
        seen.wait("ADDED", "b", "13")
        assert watch.relists == 0
    assert asked(server)[:3] == ["list", "11", "12"]


BROKEN = [
    told(("ADDED", pod("a", 12)), then=b'{"type": "ADDED", "obj'),
    told(("ADDED", pod("a", 12)), then=b'{"type": "ADDED", "obj\n'),
    told(("ADDED", pod("a", 12)), then=b"<html>502</html>\n"),
    told(("ADDED", pod("a", 12)), then=b'{"type": "ADDED", "object": {"kind": "Pod"}}\n'),
    told(("ADDED", pod("a", 12)))._replace(body=told(("ADDED", pod("a", 12))).body + b" " * 99, cut=300),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_stream_that_breaks_is_gone_on_with_from_its_last_whole_line(broken: Answer) -> None:
    with watched(listed(11), broken, told(("ADDED", pod("b", 13)))) as (watch, seen, server):
        seen.wait("ADDED", "b", "13")
        assert seen.short == [("ADDED", "a", "12"), ("ADDED", "b", "13")]
        assert watch.relists == 0
        assert watch.failure is None
    assert asked(server)[:3] == ["list", "11", "12"]


@pytest.mark.parametrize(
    "fault", [html(502), html(503), CUT, status(500, "InternalError"), status(429, "TooManyRequests"), html(429)]
)
def test_a_watch_that_is_not_had_at_first_needs_no_new_list(fault: Answer) -> None:
    with watched(listed(11), fault, fault, told(("ADDED", pod("a", 12)))) as (watch, seen, server):
        seen.wait("ADDED", "a", "12")
        assert watch.relists == 0
    assert asked(server)[:4] == ["list", "11", "11", "11"]


@pytest.mark.parametrize(
    "fault", [html(502), CUT, EXPIRED, status(429, "TooManyRequests"), listed(9, pod("x", 1))._replace(cut=150)]
)
def test_a_list_that_fails_is_asked_for_again_and_changes_nothing(fault: Answer) -> None:
    with watched(fault, fault, listed(11, pod("a", 5))) as (watch, seen, _):
        watch.wait_synced(PATIENCE_S)
        assert seen.short == [("ADDED", "a", "5")]


def test_a_list_whose_token_expires_between_its_pages_is_read_at_once() -> None:
    with watched(listed(9, pod("a", 1), next="t"), EXPIRED, listed(11, pod("b", 2))) as (watch, _, server):
        watch.wait_synced(PATIENCE_S)
        assert set(watch.objects()) == {("ml", "b")}
    assert "limit=0" in server.asked[2].path


def test_the_server_is_left_alone_for_as_long_as_it_asks() -> None:
    paused: list[float] = []
    with scripted(
        listed(11),
        html(429, {"Retry-After": "9"}),
        html(503, {"Retry-After": "900"}),
        told(("ADDED", pod("a", 12))),
        SILENCE,
    ) as server:
        watch = Watch(Client(server.connection()), POD, pace=QUICK)
        wait = watch._closed.wait
        watch._closed.wait = lambda seconds=None: bool(paused.append(seconds or 0)) or wait(0)  # type: ignore[method-assign]
        seen = Seen()
        watch.listen(seen)
        with watch:
            seen.wait("ADDED", "a", "12")
    assert paused[:2] == [9.0, QUICK.longest_asked_s]


def test_credentials_that_expire_are_renewed() -> None:
    refused = status(401, "Unauthorized")
    with watched(refused, listed(11), refused, told(("ADDED", pod("a", 12)))) as (watch, seen, server):
        seen.wait("ADDED", "a", "12")
        assert watch.relists == 0
    assert [each.headers["Authorization"] for each in server.asked][:4] == [
        "Bearer t0",
        "Bearer t1",
        "Bearer t1",
        "Bearer t2",
    ]


def test_repetitions_are_told_once() -> None:
    twice = told(
        *[("ADDED", pod("a", 12))] * 2,
        *[("MODIFIED", pod("a", 13))] * 2,
        *[("DELETED", pod("a", 14))] * 2,
        ("ADDED", pod("b", 15)),
    )
    with watched(listed(11), twice) as (_, seen, _):
        seen.wait("ADDED", "b", "15")
        assert seen.short == [
            ("ADDED", "a", "12"),
            ("MODIFIED", "a", "13"),
            ("DELETED", "a", "14"),
            ("ADDED", "b", "15"),
        ]


def test_a_connection_on_which_nothing_comes_any_more_is_left() -> None:
    pace = Pace(stream_s=1, grace_s=0.2, patience=Patience(first_s=0.001))
    held = told(("ADDED", pod("a", 12)), held=True)
    with watched(listed(11), held, told(("ADDED", pod("b", 13))), pace=pace) as (watch, seen, server):
        seen.wait("ADDED", "b", "13")
        assert watch.relists == 0
    assert asked(server)[:3] == ["list", "11", "12"]


def test_a_version_that_the_server_has_not_reached_means_a_new_list_in_the_end() -> None:
    """A cluster that was restored from a backup knows of no such version, and says so as a timeout."""
    ahead = status(504, "Timeout", "Too large resource version")
    with watched(listed(900, pod("a", 5)), ahead, ahead, ahead, listed(20, pod("b", 15))) as (watch, seen, _):
        seen.wait("ADDED", "b", "15")
        assert set(watch.objects()) == {("ml", "b")}


def test_versions_are_texts_that_are_only_handed_back() -> None:
    with watched(
        listed("a-b/c", pod("a", "x")), told(("MODIFIED", pod("a", "another one"))), told(("ADDED", pod("b", "z")))
    ) as (watch, seen, server):
        seen.wait("ADDED", "b", "z")
        assert watch.versions() == {("ml", "a"): "another one", ("ml", "b"): "z"}
    assert asked(server)[:3] == ["list", "a-b/c", "another one"]


def test_watches_that_end_as_they_begin_are_paced() -> None:
    paused: list[float] = []
    with scripted(listed(11), told()) as server:
        watch = Watch(
            Client(server.connection()), POD, pace=Pace(patience=Patience(first_s=1, longest_s=4)), chance=lambda: 1.0
        )
        enough = threading.Event()
        wait = watch._closed.wait

        def pause(seconds: float | None = None) -> bool:
            paused.append(seconds or 0)
            if len(paused) == 4:
                enough.set()
                return wait()
            return wait(0)

        watch._closed.wait = pause  # type: ignore[method-assign]
        with watch:
            assert enough.wait(PATIENCE_S)
            assert isinstance(watch.failure, failures.Unreachable)
    assert paused == [1.0, 2.0, 4.0, 4.0]


@pytest.mark.parametrize(
    ("refused", "error"),
    [(status(403, "Forbidden", "cannot list"), failures.Forbidden), (html(404), failures.NotFound), (status(401, "Unauthorized"), failures.Unauthorized)],
)  # fmt: skip
def test_what_lasts_is_raised_at_once_to_whoever_waits(refused: Answer, error: type[failures.ApiError]) -> None:
    with watched(*[refused] * 50) as (watch, _, _), pytest.raises(error):
        watch.wait_synced(PATIENCE_S)


def test_an_object_that_does_not_fit_the_shape_is_a_failure_and_not_the_end() -> None:
    odd = pod("a", 12) | {"spec": "s3cret"}
    with watched(listed(11), *[told(("ADDED", odd))] * 3, told(("ADDED", pod("b", 13))), shape=Lean) as (
        watch,
        seen,
        _,
    ):
        seen.wait("ADDED", "b", "13")
        assert watch.is_running
    with (
        watched(*[listed(11, odd)] * 999, shape=Lean) as (watch, _, _),
        pytest.raises(GaveUp, match=r"at `\$.spec`") as caught,
    ):
        watch.wait_synced(0.2)
    assert "s3cret" not in str(caught.value)


def test_waiting_ends_with_what_was_wrong() -> None:
    with watched(*[html(502)] * 9999) as (watch, _, _), pytest.raises(GaveUp, match="502"):
        watch.wait_synced(0.2)


def test_a_listener_that_comes_late_is_told_what_there_is() -> None:
    with watched(listed(11, pod("a", 5), pod("b", 6)), told(("MODIFIED", pod("b", 12)))) as (watch, seen, _):
        seen.wait("MODIFIED", "b", "12")
        late = Seen()
        stop = watch.listen(late)
        assert sorted(late.short) == [("ADDED", "a", "5"), ("ADDED", "b", "12")]
        stop()


@pytest.mark.parametrize(
    "script",
    [
        (SILENCE,),  # in the middle of a list
        (listed(11), SILENCE),  # in a watch on which nothing comes
        (html(503, {"Retry-After": "99"}),),  # in a pause
    ],
)
def test_closing_ends_the_thread_at_once(script: tuple[Answer, ...]) -> None:
    with scripted(*script, SILENCE) as server:
        watch = Watch(Client(server.connection()), POD, pace=Pace()).start()
        reached = _wait_for(lambda: len(server.asked) == len(script) or watch.failure is not None)
        watch.close(timeout_s=PATIENCE_S)
        assert reached
        assert not watch.is_running


def _wait_for(happened: Callable[[], bool]) -> bool:
    ticking = threading.Event()
    for _ in range(int(PATIENCE_S / 0.01)):
        if happened():
            return True
        ticking.wait(0.01)
    return False


def test_metadata_alone_can_be_watched() -> None:
    with watched(listed(11), told(("ADDED", pod("a", 12))), metadata_only=True) as (_, seen, server):
        seen.wait("ADDED", "a", "12")
    assert "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1" in server.asked[0].headers["Accept"]
    assert "as=PartialObjectMetadata;g=meta.k8s.io;v=v1" in server.asked[1].headers["Accept"]


def test_every_object_says_its_kind_whether_listed_or_told() -> None:
    bare = {"metadata": pod("a", 5)["metadata"]}
    with watched(listed(11, bare), told(("ADDED", pod("b", 12)))) as (watch, seen, _):
        seen.wait("ADDED", "b", "12")
        assert {(each["apiVersion"], each["kind"]) for each in watch.objects().values()} == {("v1", "Pod")}


def test_selectors_and_namespaces_are_those_of_the_watch() -> None:
    with watched(
        listed(11), told(("ADDED", pod("a", 12))), namespace="", labels={"run": "r1"}, fields="spec.nodeName=n"
    ) as (_, seen, server):
        seen.wait("ADDED", "a", "12")
    for each in server.asked[:2]:
        assert each.path.startswith("/api/v1/pods?")
        assert "labelSelector=run%3Dr1" in each.path
        assert "fieldSelector=spec.nodeName%3Dn" in each.path
