"""Gangs near each other: which domains are tried, where their pods are then, and what it costs nobody else."""

from __future__ import annotations

from collections import defaultdict

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairlead.planner.domains import Domains
from fairlead.planner.nodes import Node, gpu_millis_of
from fairlead.planner.outcomes import reported
from fairlead.planner.policies.table import policy_named
from fairlead.planner.simulation import Course, simulate
from fairlead.planner.workloads import Demand, Job
from planner.clusters import PROPERTY

LABELS = ("rack", "block")
WHOLE = Demand(cpu_millis=0, memory_mib=0, gpus=8, gpu_millis=1000)


def node(number: int, **labels: str) -> Node:
    return Node(
        name=f"n{number}", cpu_millis=1000, memory_mib=1000, gpus=8, model="H100", labels=tuple(sorted(labels.items()))
    )


def job(name: str, pods: int, *, demand: Demand = WHOLE, at_s: int = 0, for_s: int = 10) -> Job:
    return Job(name=name, demand=demand, pods=pods, arrival_s=at_s, duration_s=for_s)


def packed(nodes: list[Node], jobs: list[Job], policy: str = "topology-packing") -> Course:
    return simulate(nodes, jobs, policy_named(policy), domains=Domains(nodes, LABELS))


def racks_of(course: Course, nodes: list[Node]) -> list[list[str]]:
    return [
        sorted(dict(nodes[place.node].labels)["rack"] for place in each.places) for each in course.begun if each is not None
    ]  # fmt: skip


NODES = [node(number, rack=f"r{number // 4}", block=f"b{number // 8}") for number in range(16)]

places = st.lists(
    st.tuples(st.sampled_from("abc-"), st.sampled_from("xy-"), st.integers(0, 8000)), min_size=1, max_size=12
)


@PROPERTY
@given(places, st.integers(0, 20_000))
def test_the_narrowest_domains_with_enough_left_come_first_and_of_these_the_fullest(
    found: list[tuple[str, str, int]], needed: int
) -> None:
    nodes = [
        node(number, **{label: value for label, value in zip(LABELS, (rack, block), strict=True) if value != "-"})
        for number, (rack, block, _) in enumerate(found)
    ]
    left = [each for *_, each in found]
    sums: list[dict[str, list[int]]] = [defaultdict(list) for _ in LABELS]
    for number, (*values, _) in enumerate(found):
        for level, value in enumerate(values):
            if value != "-":
                sums[level][value].append(number)
    expected = [
        sorted((sum(left[each] for each in members), value, members) for value, members in level.items())
        for level in sums
    ]

    tried = [np.flatnonzero(each).tolist() for each in Domains(nodes, LABELS).tightest(np.array(left), needed)]

    assert tried == [members for level in expected for free, _, members in level if free >= needed]


def test_a_gang_is_in_one_rack_where_best_fit_takes_a_node_of_each() -> None:
    mixed = [NODES[rack * 4 + number] for number in range(4) for rack in range(4)]

    assert racks_of(packed(mixed, [job("gang", 4)], "best-fit"), mixed) == [["r0", "r1", "r2", "r3"]]
    assert racks_of(packed(mixed, [job("gang", 4)]), mixed) == [["r0"] * 4]


def test_a_rack_that_has_less_left_is_filled_before_one_that_is_empty() -> None:
    course = packed(NODES, [job("one", 1), job("gang", 3)])
    assert racks_of(course, NODES) == [["r0"], ["r0"] * 3]
    course = packed(NODES, [job("one", 1), job("gang", 4)])
    assert racks_of(course, NODES) == [["r0"], ["r1"] * 4]


def test_a_gang_that_no_rack_takes_is_in_one_block_and_one_that_no_block_takes_anywhere() -> None:
    course = packed(NODES, [job("five", 5), job("three", 3, at_s=1), job("eight", 8, at_s=2), job("all", 16, at_s=20)])

    assert all(each is not None for each in course.begun)
    report = reported([job("five", 5), job("three", 3), job("eight", 8), job("all", 16)], course,
                      gpu_millis_of(NODES), Domains(NODES, LABELS))  # fmt: skip
    assert [(each.label, each.gangs, each.together) for each in report.gangs] == [("rack", 4, 1), ("block", 4, 3)]


jobs_ = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3), st.integers(1, 20)), min_size=1, max_size=20)


@PROPERTY
@given(jobs_)
def test_whoever_finds_room_anywhere_begins_then_and_single_pods_are_where_best_fit_has_them(
    drawn: list[tuple[int, int, int]],
) -> None:
    now, listed = 0, []
    for number, (pods, later, length) in enumerate(drawn):
        now += later
        listed.append(job(f"j{number}", pods, at_s=now, for_s=length))
    course = packed(NODES, listed)
    assert all(each is not None for each in course.begun)
    for each, begun in zip(listed, course.begun, strict=True):
        assert begun is not None and len({place.node for place in begun.places}) == each.pods  # whole nodes
    alone = [msgspec.structs.replace(each, pods=1) for each in listed]
    assert packed(NODES, alone) == packed(NODES, alone, "best-fit")
