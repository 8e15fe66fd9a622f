"""Simulations: nothing is given twice, nobody waits without need, and the order is that of the strategy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.planner.lines import BEST_EFFORT, STRATEGIES, STRICT
from fairlead.planner.nodes import Node, gpu_millis_of
from fairlead.planner.outcomes import PARTS, reported
from fairlead.planner.policies.table import POLICIES, policy_named
from fairlead.planner.reclaims import Reclaim
from fairlead.planner.simulation import Course, simulate
from fairlead.planner.workloads import Demand, Job
from fairlead.specs.simulated import ElasticGangs, Seconds
from planner import reference
from planner.clusters import PROPERTY, demands, nodes

names = st.sampled_from(sorted(POLICIES))
strategies = st.sampled_from(STRATEGIES)


@st.composite
def timed(draw: st.DrawFn) -> list[Job]:
    """Draw jobs in the order in which they come; few demands and moments, so that many meet."""
    kinds = draw(st.lists(demands, min_size=1, max_size=4))
    found, now = [], 0
    for number in range(draw(st.integers(1, 25))):
        now += draw(st.integers(0, 3))
        found.append(
            Job(
                name=f"j{number}", demand=draw(st.sampled_from(kinds)), pods=draw(st.sampled_from((1, 1, 1, 2, 3))),
                arrival_s=now, duration_s=draw(st.integers(1, 6)), priority=draw(st.sampled_from((0, 0, 5))),
            )
        )  # fmt: skip
    return found


def left_at(known: Sequence[Node], jobs: Sequence[Job], course: Course, at_s: int) -> list[dict[str, Any]]:
    """Return what nodes have left from a moment on, by where jobs are then."""
    found: list[dict[str, Any]] = [
        {"cpu": node.cpu_millis, "memory": node.memory_mib, "gpus": [1000] * node.gpus} for node in known
    ]
    for job, begun in zip(jobs, course.begun, strict=True):
        if begun is not None and begun.at_s <= at_s < begun.at_s + job.duration_s:
            for place in begun.places:
                node = found[place.node]
                node["cpu"] -= job.demand.cpu_millis
                node["memory"] -= job.demand.memory_mib
                for device in place.devices:
                    node["gpus"][device] -= job.demand.gpu_millis
    return found


def can_be_placed(known: Sequence[Node], left: Sequence[dict[str, Any]], job: Job) -> bool:
    """Say whether all pods of a job find a place: pods that are alike fit in any order, or not at all."""
    count = 0
    for node, state in zip(known, left, strict=True):
        cpu, memory, gpus = state["cpu"], state["memory"], list(state["gpus"])
        while (
            count < job.pods and job.demand.memory_mib <= memory and reference.fits(job.demand, cpu, gpus, node.model)
        ):
            enough = [place for place, each in enumerate(gpus) if each >= job.demand.gpu_millis]
            for place in enough[: job.demand.gpus]:
                gpus[place] -= job.demand.gpu_millis
            cpu, memory, count = cpu - job.demand.cpu_millis, memory - job.demand.memory_mib, count + 1
    return count == job.pods


@PROPERTY
@given(nodes, timed(), names, strategies)
def test_no_node_ever_gives_more_than_it_has_and_each_job_has_what_it_asks_for(
    known: list[Node], jobs: list[Job], name: str, strategy: str
) -> None:
    course = simulate(known, jobs, policy_named(name), strategy)
    for job, begun in zip(jobs, course.begun, strict=True):
        if begun is None:
            continue
        assert begun.at_s >= job.arrival_s and len(begun.places) == job.pods
        for place in begun.places:
            assert len(set(place.devices)) == len(place.devices) == job.demand.gpus
            assert not job.demand.models or known[place.node].model in job.demand.models
    gpus = gpu_millis_of(known)
    for moment in course.moments:
        left = left_at(known, jobs, course, moment.at_s)
        assert all(each["cpu"] >= 0 and each["memory"] >= 0 for each in left)
        assert all(0 <= gpu <= 1000 for each in left for gpu in each["gpus"])
        assert moment.used == gpus - sum(sum(each["gpus"]) for each in left)
        assert -1e-6 <= moment.fragmented <= gpus - moment.used + 1e-6
    assert course.moments[-1].used == 0


@PROPERTY
@given(nodes, timed(), names)
def test_nobody_waits_with_best_effort_for_whom_there_is_room(known: list[Node], jobs: list[Job], name: str) -> None:
    course = simulate(known, jobs, policy_named(name), BEST_EFFORT)
    for moment in course.moments:
        left = left_at(known, jobs, course, moment.at_s)
        waiting = [
            job for job, begun in zip(jobs, course.begun, strict=True)
            if job.arrival_s <= moment.at_s and (begun is None or begun.at_s > moment.at_s)
        ]  # fmt: skip
        assert not any(can_be_placed(known, left, job) for job in waiting)
    empty = left_at(known, jobs, course, -1)
    given_up = [begun is None for begun in course.begun]
    assert given_up == [not can_be_placed(known, empty, job) for job in jobs]


@PROPERTY
@given(nodes, timed(), names, strategies)
def test_those_that_are_alike_begin_in_their_order_and_with_strict_queueing_all_do(
    known: list[Node], jobs: list[Job], name: str, strategy: str
) -> None:
    course = simulate(known, jobs, policy_named(name), strategy)
    begun = [(job, each.at_s) for job, each in zip(jobs, course.begun, strict=True) if each is not None]
    for number, (job, at_s) in enumerate(begun):
        for other, other_s in begun[number + 1 :]:
            alike = (job.demand, job.pods) == (other.demand, other.pods) or strategy == STRICT
            if alike and job.priority >= other.priority:
                assert at_s <= other_s


@PROPERTY
@given(nodes, timed(), names, strategies, st.integers(0, 3))
def test_a_simulation_is_the_same_again_and_its_report_adds_up(
    known: list[Node], jobs: list[Job], name: str, strategy: str, seed: int
) -> None:
    course = simulate(known, jobs, policy_named(name), strategy, seed)
    assert simulate(known, jobs, policy_named(name), strategy, seed) == course
    gpus = gpu_millis_of(known)
    if not gpus:
        return
    report = reported(jobs, course, gpus)
    begun = [job for job, each in zip(jobs, course.begun, strict=True) if each is not None]
    asked = sum(job.pods * job.demand.total_gpu_millis * job.duration_s for job in begun)
    assert report.scheduling_occupancy * gpus * report.makespan_s / 100 == pytest.approx(asked)
    assert len(report.over_time) <= PARTS and len(report.given_up) == len(jobs) - len(begun)
    assert max((each.gpu_allocation for each in report.over_time), default=0) <= report.gpu_allocation_most + 1e-9
    if not report.makespan_s:
        assert not begun and report.over_time == ()
        return
    step = report.over_time[1].from_s - report.over_time[0].from_s if len(report.over_time) > 1 else report.makespan_s
    ends = [each.from_s for each in report.over_time[1:]] + [jobs[0].arrival_s + report.makespan_s]
    lengths = [end - each.from_s for each, end in zip(report.over_time, ends, strict=True)]
    assert all(length == step for length in lengths[:-1])
    shares = [each.gpu_allocation * length for each, length in zip(report.over_time, lengths, strict=True)]
    assert sum(shares) == pytest.approx(report.scheduling_occupancy * report.makespan_s)


def job(name: str, arrival_s: int, duration_s: int, gpus: int, *, pods: int = 1, priority: int = 0) -> Job:
    return Job(
        name=name, demand=Demand(0, 0, gpus, 1000), arrival_s=arrival_s, duration_s=duration_s, pods=pods,
        priority=priority,
    )  # fmt: skip


FOUR = (Node(name="n", cpu_millis=1, memory_mib=1, gpus=4, model="A"),)


def begins(jobs: Sequence[Job], strategy: str, known: Sequence[Node] = FOUR) -> list[int | None]:
    course = simulate(known, jobs, policy_named("best-fit"), strategy)
    return [each and each.at_s for each in course.begun]


def elastic(name: str, arrival_s: int, duration_s: int, pods: int, pods_min: int, **more: int) -> Job:
    return msgspec.structs.replace(job(name, arrival_s, duration_s, 1, pods=pods), pods_min=pods_min, **more)


def test_an_elastic_gang_begins_with_what_there_is_and_takes_longer() -> None:
    jobs = [job("holder", 0, 100, 1), elastic("gang", 0, 6, pods=4, pods_min=2), job("after", 1, 5, 3)]
    course = simulate(FOUR, jobs, policy_named("best-fit"))
    assert [each and (each.at_s, each.ended_s, len(each.places)) for each in course.begun] == [
        (0, 100, 1), (0, 8, 3), (8, 13, 1),
    ]  # fmt: skip
    report = reported(jobs, course, 4000)
    assert report.elastic == ElasticGangs(gangs=1, smaller=1, pods_percent=75.0)


def test_an_elastic_gang_waits_for_as_many_as_it_needs_and_has_all_where_there_is_room() -> None:
    for held, expected in ((3, (10, 16, 4)), (2, (0, 12, 2)), (0, (0, 6, 4))):
        jobs = [job("holder", 0, 10, held), elastic("gang", 0, 6, pods=4, pods_min=2)]
        found = simulate(FOUR, jobs, policy_named("best-fit")).begun[1]
        assert found is not None and (found.at_s, found.ended_s, len(found.places)) == expected


def test_what_an_elastic_gang_has_kept_counts_whatever_its_size_is_then() -> None:
    """It has half its pods for 8 s, of which it keeps 6, and all of them for what is left."""
    two = (Node(name="a", cpu_millis=1, memory_mib=1, gpus=2, model="A"), msgspec.structs.replace(FOUR[0], name="b"))
    jobs = [job("holder", 0, 5, 4), elastic("gang", 0, 10, pods=4, pods_min=2, checkpoint_s=3)]
    found = simulate(two, jobs, policy_named("best-fit"), reclaims=[Reclaim(node="a", at_s=8, back_s=9)]).begun[1]
    assert found is not None and (found.ended_s, found.lost_pod_s) == (8 + 10 - 3, 2 * 2)


def test_who_is_behind_passes_with_best_effort_alone() -> None:
    jobs = [job("a", 0, 10, 3), job("large", 1, 5, 4), job("small", 2, 2, 1)]
    assert begins(jobs, STRICT) == [0, 10, 15]
    assert begins(jobs, BEST_EFFORT) == [0, 10, 2]


def test_a_higher_priority_goes_first_and_takes_nothing_from_who_runs() -> None:
    jobs = [job("a", 0, 10, 4), job("low", 1, 5, 4), job("high", 2, 5, 4, priority=1)]
    assert begins(jobs, STRICT) == begins(jobs, BEST_EFFORT) == [0, 15, 10]


def test_the_pods_of_a_job_begin_together_or_not_at_all() -> None:
    jobs = [job("a", 0, 10, 1), job("gang", 1, 5, 2, pods=2), job("small", 1, 1, 3)]
    assert begins(jobs, BEST_EFFORT) == [0, 10, 1]
    assert begins(jobs, BEST_EFFORT, (*FOUR, *FOUR)) == [0, 1, 6]


def test_who_can_never_begin_is_given_up_and_blocks_nobody_for_ever() -> None:
    jobs = [job("large", 0, 1, 5), job("a", 0, 3, 4), job("b", 1, 3, 4)]
    assert begins(jobs, STRICT) == begins(jobs, BEST_EFFORT) == [None, 0, 3]
    report = reported(jobs, simulate(FOUR, jobs, policy_named("best-fit"), STRICT), 4000)
    assert report.given_up == ("large",)
    assert report.wait == Seconds(mean=1.0, p50=0, p90=2, p99=2, most=2)
    assert report.completion == Seconds(mean=4.0, p50=3, p90=5, p99=5, most=5)
    assert (report.makespan_s, report.scheduling_occupancy, report.gpu_allocation_most) == (6, 100.0, 100.0)
