"""Priority: a step for which there is no room starts in the place of pods that matter less, of as few as will do."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.insight.planning.plans import judge, plan, verdict_of
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Torch
from fairlead.specs.steps import Overlay
from insight.pictures import node, pod
from insight.planning.flows import BIG, against, asks, cluster_wide, facts, fit


def ranked(name: str, value: int, **more: Any) -> dict[str, Any]:
    return cluster_wide("PriorityClass", name, value=value, **more)


def held(name: str, on: str, cpu: int, priority: int = 0, since: str = "") -> dict[str, Any]:
    container = {"name": "main", "resources": {"requests": {"cpu": str(cpu)}}}
    spec = {"nodeName": on, "priority": priority, "containers": [container]}
    return pod(name, spec=spec, phase="Running", startTime=since)


HIGH = ranked("high", 100)
FULL = (BIG, held("a", "n1", 30), held("b", "n1", 30, since="2026-11-20T10:00:00Z"))


def wants(cpu: int, priority: str | None = "high", **more: Any) -> Any:
    return fit(resources=Resources(cpu=cpu, memory="1Gi"), priority=priority, **more)


@pytest.mark.parametrize(
    ("cpu", "who"),
    [
        (4, None),
        (8, "1 pod of priority 0 (team/b)"),  # of two that matter as much, the younger
        (40, "2 pods of priority 0 (team/a, team/b)"),
    ],
)  # fmt: skip
def test_a_step_starts_in_the_place_of_as_few_as_will_do(cpu: int, who: str | None) -> None:
    found = plan(asks(wants(cpu)), facts(HIGH, *FULL), flow="f", context="lab").steps[0]
    assert found.verdict == "now" and found.start == (f"now, by preempting {who}" if who else "now")
    assert [(each.id, each.verdict) for each in found.reasons] == ([("preempts-others", "warning")] if who else [])


@pytest.mark.parametrize(
    ("step", "classes"),
    [
        (wants(8, None), (HIGH,)),
        (wants(8), (ranked("high", 0),)),
        (wants(8), (ranked("high", 100, preemptionPolicy="Never"),)),
        (wants(8, overlays=(Overlay(kind="Pod", patch={"schedulerName": "volcano"}),)), (HIGH,)),
        (wants(8, None), (ranked("all", 9, globalDefault=True), ranked("least", -1, globalDefault=True))),
    ],
)  # fmt: skip
def test_who_matters_no_more_or_may_not_preempt_waits(step: Any, classes: Any) -> None:
    (reason,) = against(asks(step), facts(*classes, *FULL))
    assert (reason.id, reason.verdict) == ("insufficient-resources", "not-now")


def test_the_default_class_counts_for_those_that_name_none() -> None:
    (reason,) = against(asks(wants(8, None)), facts(ranked("all", 9, globalDefault=True), *FULL))
    assert reason.id == "preempts-others"
    assert [(each.subject, each.path, each.value) for each in reason.evidence] == [
        ("PriorityClass all", "value", "9"), ("Pod team/b", "spec.priority", "0"),
    ]  # fmt: skip


def test_classes_of_kubernetes_itself_are_known() -> None:
    (reason,) = against(asks(wants(8, "system-node-critical")), facts(*FULL))
    assert reason.id == "preempts-others"


def test_it_is_said_where_priorities_could_not_be_read() -> None:
    (judged, *_) = judge(asks(wants(8, None)), facts(*FULL, unread=frozenset({"PriorityClass"})))
    assert [each.id for each in judged.reasons] == ["insufficient-resources"]
    assert [each.what for each in judged.unread] == ["whether it preempts pods of lower priority"]


def test_a_gang_takes_places_until_it_is_whole_or_none() -> None:
    gang = wants(40, runtime=Torch(nodes=2))
    nodes = [node(name, cpu="64", memory="256Gi", pods="110") for name in ("n1", "n2")]
    low, high = (held(name, "n1", 30, priority) for name, priority in (("a", 0), ("b", 200)))
    (reason,) = against(asks(gang), facts(HIGH, *nodes, low, held("c", "n2", 30)))
    assert reason.message == "it starts by preempting 2 pods of priority 0 (team/a, team/c)"
    (reason,) = against(asks(gang), facts(HIGH, *nodes, high, held("c", "n2", 30)))
    assert reason.id == "gang-not-whole-now"


def test_where_it_matters_least_is_chosen() -> None:
    nodes = [node(name, cpu="8", memory="64Gi") for name in ("n1", "n2", "n3")]
    there = [held("a", "n1", 8, 7), held("b", "n2", 4, 5), held("c", "n2", 4, 5), held("d", "n3", 8, 5)]
    (reason,) = against(asks(wants(8)), facts(HIGH, node("own", cpu="1", memory="1Gi"), *nodes, *there))
    assert reason.message == "it starts by preempting 1 pod of priority 5 (team/d)"


class Picture(NamedTuple):
    """Nodes with their cores, and the pods on each: the cores and the priority of each."""

    nodes: list[tuple[int, list[tuple[int, int]]]]
    cpu: int
    priority: int

    @property
    def facts(self) -> Any:
        things = [node("own", cpu="250m", memory="1Gi")]  # for what Fairlead needs itself
        for number, (cpu, pods) in enumerate(self.nodes):
            things.append(node(f"n{number}", cpu=str(cpu), memory="64Gi"))
            things += [held(f"p{number}-{place}", f"n{number}", *each, since=f"{place}")
                       for place, each in enumerate(pods)]  # fmt: skip
        return facts(ranked("high", self.priority), *things)


PICTURES = st.builds(
    Picture,
    st.lists(st.tuples(st.integers(1, 6), st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), max_size=4)),
             min_size=1, max_size=3),
    st.integers(1, 6), st.integers(0, 3),
)  # fmt: skip


def victims(cpu: int, pods: list[tuple[int, int]], wanted: int, priority: int) -> list[int] | None:
    """Return who would go of a node by the documentation, tried in every way; None where nothing would help.

    Of all that could stay, those do of whom the most important that differs is the more important.
    """
    order = sorted(range(len(pods)), key=lambda place: (-pods[place][1], place))
    ways = [
        stays for stays in product((True, False), repeat=len(pods))
        if sum(pods[place][0] for place, stay in zip(order, stays, strict=True) if stay) + wanted <= cpu
        and all(stay or pods[place][1] < priority for place, stay in zip(order, stays, strict=True))
    ]  # fmt: skip
    return [place for place, stay in zip(order, max(ways), strict=True) if not stay] if ways else None


@settings(deadline=None)
@given(PICTURES)
def test_who_goes_is_who_would_by_the_documentation(picture: Picture) -> None:
    tried = [victims(cpu, pods, picture.cpu, picture.priority) for cpu, pods in picture.nodes]
    found = judge(asks(wants(picture.cpu)), picture.facts)[0]
    verdict = verdict_of(found.reasons, found.unread)
    assert (verdict == "now") == any(each is not None for each in tried)
    if verdict != "now":
        return
    if any(each == [] for each in tried):
        assert not found.reasons
        return

    def weight(number: int) -> tuple[int, int, int]:
        values = [picture.nodes[number][1][place][1] for place in tried[number] or ()]
        return max(values), len(values), sum(values)

    able = [number for number, each in enumerate(tried) if each]
    least = min(map(weight, able))
    (reason,) = found.reasons
    assert any(
        f"({', '.join(f'team/p{number}-{place}' for place in (tried[number] or ())[:3])}" in reason.message
        for number in able if weight(number) == least
    )  # fmt: skip


@settings(deadline=None)
@given(PICTURES, st.tuples(st.integers(1, 6), st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), max_size=4)))
def test_another_node_or_a_higher_priority_makes_nothing_worse(picture: Picture, more: Any) -> None:
    def is_now(picture: Picture) -> bool:
        found = judge(asks(wants(picture.cpu)), picture.facts)[0]
        return verdict_of(found.reasons, found.unread) == "now"

    if is_now(picture):
        assert is_now(picture._replace(nodes=[*picture.nodes, more]))
        assert is_now(picture._replace(priority=picture.priority + 1))
