"""Affinities between pods, and how they are spread: held against the pods that are there, and each other."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.insight.planning.plans import judge, verdict_of
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import Overlay
from insight.pictures import node, pod
from insight.planning.flows import asks, facts, fit, ids
from insight.planning.test_preempting import HIGH

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def place(name: str, zone: str = "", cpu: str = "8") -> dict[str, Any]:
    return node(name, {HOST: name, **({ZONE: zone} if zone else {})}, cpu=cpu, memory="64Gi", pods="110")


def there(name: str, on: str, *, app: str = "other", cpu: str = "1", priority: int = 0, space: str = "team",
          **affinity: Any) -> dict[str, Any]:  # fmt: skip
    container = {"name": "main", "resources": {"requests": {"cpu": cpu}}}
    spec = {"nodeName": on, "containers": [container], "affinity": affinity, "priority": priority}
    found = pod(name, spec=spec, phase="Running")
    found["metadata"].update(labels={"app": app}, namespace=space)
    return found


def term(key: str, app: str = "other", **more: Any) -> dict[str, Any]:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}, **more}


def near(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"podAffinity": {REQUIRED: list(terms)}}


def away(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"podAntiAffinity": {REQUIRED: list(terms)}}


def step(*, cpu: float = 2, labels: dict[str, str] | None = None, **spec: Any) -> Any:
    kept = {key: spec.pop(key) for key in ("runtime", "priority") if key in spec}
    overlay = Overlay(kind="Pod", patch=spec)
    return fit(resources=Resources(cpu=cpu, memory="1Gi"), labels=labels or {"app": "own"}, overlays=(overlay,), **kept)


TWO = (place("n1", "z1"), place("n2", "z2"))


@pytest.mark.parametrize(
    ("affinity", "pods", "found"),
    [
        (near(term(ZONE)), (), {"spread-unmet": "not-now"}),
        (near(term(ZONE)), (there("a", "n1"),), {}),
        (near(term(ZONE)), (there("a", "n1", space="else"),), {"spread-unmet": "not-now"}),
        (near(term(ZONE, namespaces=["else"])), (there("a", "n1", space="else"),), {}),
        (near(term(ZONE, namespaceSelector={})), (there("a", "n1", space="else"),), {}),
        (near(term(ZONE), term(ZONE, "more")), (there("a", "n1"), there("b", "n1", app="more")),
         {"spread-unmet": "not-now"}),  # no one of them is both
        (near(term("rack")), (there("a", "n1"),), {"node-labels-unmatched": "never"}),
        (near({"topologyKey": ZONE}), (there("a", "n1"),), {"spread-unmet": "not-now"}),  # it chooses nobody
        (away(term(ZONE)), (there("a", "n1"),), {}),
        (away(term(ZONE)), (there("a", "n1"), there("b", "n2")), {"spread-unmet": "not-now"}),
        (away(term("rack")), (there("a", "n1"), there("b", "n2")), {}),
        ({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "podAffinityTerm": term(ZONE)}]}}, (there("a", "n1"), there("b", "n2")), {}),
    ],
)  # fmt: skip
def test_affinities_are_held_against_the_pods_that_are_there(affinity: Any, pods: Any, found: dict[str, str]) -> None:
    assert ids(asks(step(affinity=affinity)), facts(*TWO, place("own", "z3", cpu="1"), *pods)) == found


def test_who_wants_to_be_near_its_like_may_begin_anywhere() -> None:
    alone = step(affinity=near(term(ZONE, "own")))
    assert ids(asks(alone), facts(*TWO, place("own", cpu="1"))) == {}
    begun = facts(*TWO, place("own", cpu="1"), there("a", "n1", app="own", cpu="7"))
    assert ids(asks(alone), begun) == {"spread-unmet": "not-now"}


def test_others_keep_it_away_too() -> None:
    shy = there("a", "n1", **away(term(HOST, "own")))
    assert ids(asks(step()), facts(place("n1"), place("own", cpu="1"), shy)) == {"spread-unmet": "not-now"}
    assert ids(asks(step(labels={"app": "else"})), facts(place("n1"), place("own", cpu="1"), shy)) == {}
    both = [step(), step(labels={"app": "else"})]
    found = judge([asks(each)[0] for each in both], facts(place("n1"), shy))
    assert [bool(each.reasons) for each in found] == [True, False]


SPREAD = {"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule",
          "labelSelector": {"matchLabels": {"app": "own"}}}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "count", "found"),
    [
        ({}, 0, {}),
        ({}, 1, {"spread-unmet": "not-now"}),
        ({"maxSkew": 2}, 1, {}),
        ({"whenUnsatisfiable": "ScheduleAnyway"}, 1, {}),
        ({"minDomains": 3, "maxSkew": 2}, 1, {}),
        ({"minDomains": 3, "maxSkew": 2}, 2, {"spread-unmet": "not-now"}),
        ({"topologyKey": "rack"}, 0, {"node-labels-unmatched": "never"}),
    ],
)  # fmt: skip
def test_pods_are_spread(change: dict[str, Any], count: int, found: dict[str, str]) -> None:
    """There are as many in the one zone that has room; in the other, which has none, there are none."""
    pods = [there(f"a{number}", "n1", app="own") for number in range(count)]
    cluster = facts(*TWO, *pods, there("full", "n2", cpu="8"), place("own", cpu="1"))
    assert ids(asks(step(topologySpreadConstraints=[{**SPREAD, **change}])), cluster) == found


@pytest.mark.parametrize(
    ("change", "found"),
    [({}, {}), ({"nodeAffinityPolicy": "Ignore"}, {"spread-unmet": "not-now"}), ({"nodeTaintsPolicy": "Honor"}, {})],
)  # fmt: skip
def test_nodes_that_it_can_not_be_on_do_not_count_for_how_it_is_spread(change: Any, found: dict[str, str]) -> None:
    own = step(nodeSelector={"pool": "a"}, topologySpreadConstraints=[{**SPREAD, **change}])
    nodes = [place("n1", "z1"), place("n2", "z2")]
    nodes[0]["metadata"]["labels"]["pool"] = "a"
    assert ids(asks(own), facts(*nodes, place("own", cpu="1"), there("a", "n1", app="own"))) == found


def test_nodes_with_taints_count_unless_they_are_not_to() -> None:
    tainted = {**place("n2", "z2"), "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}
    cluster = facts(place("n1", "z1"), tainted, place("own", cpu="1"), there("a", "n1", app="own"))
    for policy, found in (("Ignore", {"spread-unmet": "not-now"}), ("Honor", {})):
        assert ids(asks(step(topologySpreadConstraints=[{**SPREAD, "nodeTaintsPolicy": policy}])), cluster) == found


def test_the_pods_of_a_gang_are_held_against_each_other() -> None:
    apart = step(runtime=Torch(nodes=2), affinity=away(term(HOST, "own")))
    cluster = facts(*TWO, place("own", cpu="1"))
    assert ids(asks(apart), cluster) == {}
    (found, _) = judge(asks(step(runtime=Torch(nodes=3), affinity=away(term(HOST, "own")))), cluster)
    assert [each.id for each in found.reasons] == ["spread-unmet"]
    assert found.reasons[0].message.startswith("2 of its 3 pods have a place; n1 has room for it, and its pod anti-")


def test_who_is_in_the_way_may_be_preempted() -> None:
    shy = step(affinity=away(term(HOST)), priority="high")
    (reason,) = judge(asks(shy), facts(HIGH, place("n1"), place("own", cpu="1"), there("a", "n1")))[0].reasons
    assert reason.message == "it starts by preempting 1 pod of priority 0 (team/a)"


def test_namespaces_that_are_chosen_by_labels_are_said_not_to_be_looked_at() -> None:
    odd = step(affinity=near(term(ZONE, namespaceSelector={"matchLabels": {"a": "b"}})))
    (found, _) = judge(asks(odd), facts(*TWO))
    assert verdict_of(found.reasons, found.unread) == "unknown"


class Picture(NamedTuple):
    """Nodes by their zone, where they have one; pods by their app and node; what is required."""

    zones: list[str]
    pods: list[tuple[str, int, bool]]
    near: list[tuple[str, str]]
    away: list[tuple[str, str]]
    skew: int | None


TERMS = st.lists(st.tuples(st.sampled_from([ZONE, HOST]), st.sampled_from(["own", "other"])), max_size=2)
PICTURES = st.integers(1, 4).flatmap(lambda count: st.builds(
    Picture, st.lists(st.sampled_from(["", "z1", "z2"]), min_size=count, max_size=count),
    st.lists(st.tuples(st.sampled_from(["own", "other"]), st.integers(0, count - 1), st.booleans()), max_size=5),
    TERMS, TERMS, st.none() | st.integers(1, 2),
))  # fmt: skip


def fits(picture: Picture, on: int) -> bool:
    """Say whether a pod with the label app=own may be on a node, as the documentation says it."""

    def place_of(number: int, key: str) -> str:
        return f"n{number}" if key == HOST else picture.zones[number]

    def among(key: str, app: str) -> int:
        return sum(each == app and place_of(at, key) == place_of(on, key) for each, at, _ in picture.pods)

    if any(not place_of(on, key) for key, _ in picture.near):
        return False
    apps = {app for _, app in picture.near}
    wanted = [at for each, at, _ in picture.pods if apps == {each}]
    seen = [at for at in wanted if any(place_of(at, key) for key, _ in picture.near)]
    begins = not apps or (apps == {"own"} and not seen)
    if not begins and any(all(place_of(at, key) != place_of(on, key) for at in wanted) for key, _ in picture.near):
        return False
    if any(place_of(on, key) and among(key, app) for key, app in picture.away):
        return False
    if any(shy and at == on for _, at, shy in picture.pods):
        return False
    if picture.skew is None:
        return True
    if not picture.zones[on]:
        return False
    counts = {zone: sum(each == "own" and picture.zones[at] == zone for each, at, _ in picture.pods)
              for zone in picture.zones if zone}  # fmt: skip
    return counts[picture.zones[on]] + 1 - min(counts.values()) <= picture.skew


@settings(deadline=None)
@given(PICTURES)
def test_a_pod_is_where_it_may_be_by_the_documentation(picture: Picture) -> None:
    affinity = {
        **(near(*(term(*each) for each in picture.near)) if picture.near else {}),
        **(away(*(term(*each) for each in picture.away)) if picture.away else {}),
    }
    spread = {"topologySpreadConstraints": [{**SPREAD, "maxSkew": picture.skew}]} if picture.skew else {}
    nodes = [place(f"n{number}", zone, cpu="99") for number, zone in enumerate(picture.zones)]
    pods = [there(f"p{number}", f"n{at}", app=app, **(away(term(HOST, "own")) if shy else {}))
            for number, (app, at, shy) in enumerate(picture.pods)]  # fmt: skip
    found = judge(asks(step(affinity=affinity, **spread)), facts(*nodes, *pods))[0]
    able = any(fits(picture, number) for number in range(len(nodes)))
    assert (verdict_of(found.reasons, found.unread) == "now") == able
