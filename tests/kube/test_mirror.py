"""What is held of a cluster: random histories, told with repetitions and gaps, leave it as the cluster is."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from fairlead.kube.mirror import Event, Mirror
from fairlead.kube.shapes import Lean


class Phase(msgspec.Struct):
    phase: str = ""


class Pod(msgspec.Struct):
    status: Phase = msgspec.field(default_factory=Phase)


def raw(name: str, version: int | str, uid: str = "", **more: Any) -> msgspec.Raw:
    body = {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "ml", "uid": uid or f"u-{name}", "resourceVersion": f"{version}"},
        **more,
    }
    return msgspec.Raw(json.dumps(body).encode())


def kinds(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(each.type, each.object["metadata"]["name"], each.object["metadata"]["resourceVersion"]) for each in events]


def relist(mirror: Mirror, *objects: msgspec.Raw) -> list[Event]:
    return mirror.replace(mirror.draft([objects]))


def test_events_change_what_is_held_and_say_what_was_before() -> None:
    mirror = Mirror()
    assert kinds(mirror.apply("ADDED", raw("a", 1))) == [("ADDED", "a", "1")]
    (changed,) = mirror.apply("MODIFIED", raw("a", 2))
    assert (changed.type, changed.old["metadata"]["resourceVersion"]) == ("MODIFIED", "1")
    (gone,) = mirror.apply("DELETED", raw("a", 3))
    assert (gone.type, gone.object["metadata"]["resourceVersion"], gone.old["metadata"]["resourceVersion"]) == (
        "DELETED",
        "3",
        "2",
    )
    assert mirror.objects() == {}


def test_what_is_known_is_no_event() -> None:
    mirror = Mirror()
    relist(mirror, raw("a", 1))
    assert mirror.apply("ADDED", raw("a", 1)) == []
    assert mirror.apply("DELETED", raw("b", 2)) == []
    assert relist(mirror, raw("a", 1)) == []


def test_a_list_tells_of_what_went_unseen() -> None:
    mirror = Mirror()
    relist(mirror, raw("a", 1), raw("b", 2), raw("c", 3))
    assert kinds(relist(mirror, raw("b", 2), raw("c", 9), raw("d", 8))) == [
        ("DELETED", "a", "1"),
        ("MODIFIED", "c", "9"),
        ("ADDED", "d", "8"),
    ]


def test_one_that_was_made_again_under_its_name_has_gone_and_come() -> None:
    mirror = Mirror()
    relist(mirror, raw("a", 1, "first"))
    assert kinds(relist(mirror, raw("a", 5, "second"))) == [("DELETED", "a", "1"), ("ADDED", "a", "5")]
    assert kinds(mirror.apply("MODIFIED", raw("a", 7, "third"))) == [("DELETED", "a", "5"), ("ADDED", "a", "7")]
    assert mirror.apply("DELETED", raw("a", 6, "second")) == []
    assert len(mirror) == 1


def test_a_list_that_breaks_changes_nothing() -> None:
    mirror = Mirror()
    relist(mirror, raw("a", 1))
    with pytest.raises(msgspec.DecodeError):
        mirror.draft([[raw("b", 2)], [msgspec.Raw(b"{")]])
    assert set(mirror.objects()) == {("ml", "a")}


def test_only_what_is_wanted_is_kept() -> None:
    mirror = Mirror(Pod, lambda pod: pod.status.phase)
    relist(mirror, raw("a", 1, status={"phase": "Running", "podIP": "1.2.3.4"}))
    assert mirror.objects() == {("ml", "a"): "Running"}
    assert mirror.get("ml", "a") == "Running"
    assert mirror.apply("MODIFIED", raw("a", 2, status={"phase": "Failed"})) == [Event("MODIFIED", "Failed", "Running")]


def test_a_lean_object_has_everything_but_its_managed_fields() -> None:
    mirror = Mirror(Lean)
    whole = json.loads(bytes(raw("a", 1, spec={"x": [1]}, status={"phase": "Running"})))
    whole["metadata"]["managedFields"] = [{"manager": "m"}]
    relist(mirror, msgspec.Raw(json.dumps(whole).encode()))
    del whole["metadata"]["managedFields"]
    assert mirror.get("ml", "a") == whole


def test_what_has_not_changed_is_not_decoded_again() -> None:
    made: list[str] = []

    def note(pod: dict[str, Any]) -> dict[str, Any]:
        made.append(pod["metadata"]["name"])
        return pod

    mirror = Mirror(project=note)
    relist(mirror, raw("a", 1), raw("b", 2))
    relist(mirror, raw("a", 1), raw("b", 3))
    mirror.apply("MODIFIED", raw("b", 3))
    assert made == ["a", "b", "b"]


@pytest.mark.parametrize("seed", range(200))
def test_any_history_told_with_gaps_and_repetitions_leaves_the_truth(seed: int) -> None:
    """A cluster's history is told event by event; tellings stop, are repeated from earlier, or begin with a list."""
    chance = random.Random(seed)
    truth: dict[str, tuple[int, str]] = {}
    history: list[tuple[str, msgspec.Raw]] = []
    mirror = Mirror()
    seen: dict[str, Any] = {}
    told = 0
    for version in range(1, 120):
        name = chance.choice("abcdef")
        if name in truth and chance.random() < 0.4:
            history.append(("DELETED", raw(name, version, truth.pop(name)[1])))
        elif name in truth:
            truth[name] = version, truth[name][1]
            history.append(("MODIFIED", raw(name, *truth[name])))
        else:
            truth[name] = version, f"u{version}"
            history.append(("ADDED", raw(name, *truth[name])))
        events: list[Event] = []
        match chance.randrange(6):
            case 0:
                told = max(0, told - chance.randrange(6))  # the same again
            case 1:
                events = relist(mirror, *(raw(each, *truth[each]) for each in truth))
                told = len(history)
            case 2:
                continue  # silence
        for type, each in history[told:]:
            events += mirror.apply(type, each)
        told = len(history)
        assert set(mirror.versions().items()) == {(("ml", each), f"{version}") for each, (version, _) in truth.items()}
        for event in events:  # whoever follows the events alone comes to the same
            key = event.object["metadata"]["name"]
            assert (event.type == "ADDED") == (key not in seen), "what comes was not there, and nothing else was not"
            if event.type == "DELETED":
                del seen[key]
            else:
                seen[key] = event.object
        assert seen == {name: each for (_, name), each in mirror.objects().items()}
