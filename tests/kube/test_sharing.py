"""Whoever wants the same objects shares a watch; the last one ends it."""

from __future__ import annotations

from contextlib import ExitStack

from fairlead.kube.client import Client
from fairlead.kube.resources import JOB, POD
from fairlead.kube.sharing import Watches
from kube.scripted import SILENCE, listed, pod, scripted


def test_the_same_wish_is_one_watch_until_its_last_user_leaves() -> None:
    with scripted(listed(1, pod("a", 1)), SILENCE) as server:
        watches = Watches(Client(server.connection()))
        with watches.of(POD, labels={"run": "r"}) as first:
            with watches.of(POD, labels="run=r") as second:
                assert second is first
            first.wait_synced(20)
            assert first.is_running
        assert not first.is_running
        assert [each.path for each in server.asked if "watch" not in each.path] == [
            "/api/v1/namespaces/ml/pods?labelSelector=run%3Dr&limit=500"
        ]


def test_another_wish_is_another_watch() -> None:
    with scripted(SILENCE) as server, ExitStack() as stack:
        watches = Watches(Client(server.connection()))
        wishes = [
            {"kind": POD}, {"kind": JOB}, {"kind": POD, "namespace": ""}, {"kind": POD, "labels": "a=b"}, {"kind": POD, "metadata_only": True},
        ]  # fmt: skip
        found = [stack.enter_context(watches.of(**wish)) for wish in wishes]  # type: ignore[arg-type]
        assert len({id(each) for each in found}) == len(wishes)
