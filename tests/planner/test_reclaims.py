"""Nodes that are taken away: what ran on them begins again with what it has kept, and nothing else changes."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import islice, pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.planner.lines import STRATEGIES, STRICT
from fairlead.planner.nodes import Node, ReclaimRate
from fairlead.planner.outcomes import reported
from fairlead.planner.policies.table import POLICIES, policy_named
from fairlead.planner.reclaims import Absences, Reclaim
from fairlead.planner.simulation import PATIENCE, Begun, Course, Losses, simulate
from fairlead.planner.workloads import Demand, Job
from fairlead.queues.manifests import Setup
from planner.clusters import PROPERTY
from planner.test_queued_simulation import of, queue
from planner.test_simulation import FOUR, job

POLICY = policy_named("best-fit")
TWO = tuple(Node(name=name, cpu_millis=1, memory_mib=1, gpus=4, model="A") for name in "ab")


def taken(at_s: int, back_s: int | None, node: str = "n") -> Reclaim:
    return Reclaim(node=node, at_s=at_s, back_s=back_s)


def ends(course: Course) -> list[tuple[int, int] | None]:
    return [each and (each.at_s, each.ended_s) for each in course.begun]


@pytest.mark.parametrize(("checkpoint_s", "ended_s", "lost_s"), [(0, 19, 7), (3, 13, 1), (7, 12, 0)])
@pytest.mark.parametrize("setup", [None, Setup((queue("q", 4),))])
def test_what_was_on_it_begins_again_with_what_its_last_checkpoint_has_kept(
    checkpoint_s: int, ended_s: int, lost_s: int, setup: Setup | None
) -> None:
    jobs = [of("q", job("one", 0, 10, 4), checkpoint_s=checkpoint_s)]
    course = simulate(FOUR, jobs, POLICY, setup=setup, reclaims=[taken(7, 9)])
    places = course.begun[0] and course.begun[0].places
    assert course.begun == [Begun(0, ended_s, places, 0, lost_s, 1)]
    assert course.losses == Losses(1, 1, 4000 * lost_s, (2,))


def test_a_gang_stops_whole_and_begins_again_when_all_of_it_has_a_place() -> None:
    jobs = [job("gang", 0, 10, 4, pods=2), job("alone", 1, 3, 4)]
    course = simulate(TWO, jobs, POLICY, reclaims=[taken(5, 20, "b")])
    assert ends(course) == [(0, 30), (5, 8)]  # the other one has the node that is left meanwhile
    assert course.losses == Losses(1, 1, 5 * 8000, (0, 15))


def test_who_stopped_keeps_its_quota_and_its_turn() -> None:
    jobs = [of("q", job("one", 0, 10, 4)), of("q", job("two", 1, 5, 4))]
    course = simulate(FOUR, jobs, POLICY, setup=Setup((queue("q", 4),)), reclaims=[taken(5, 6)])
    assert ends(course) == [(0, 16), (16, 21)]
    (outcome,) = reported(jobs, course, 4000).queues
    assert (outcome.evictions, outcome.reclaims) == (0, 1)
    assert outcome.lost_gpu_hours == pytest.approx(20 / 3600)


def test_who_stopped_begins_again_on_nodes_of_its_flavor() -> None:
    nodes = [msgspec.structs.replace(node, labels=(("pool", node.name),)) for node in TWO]
    setup = Setup((queue("q", 4),), flavors={"a": {"pool": "a"}})
    course = simulate(nodes, [of("q", job("one", 0, 10, 4))], POLICY, setup=setup, reclaims=[taken(5, 9, "a")])
    assert ends(course) == [(0, 19)]  # the other node is free all the time


def test_who_ends_at_that_moment_has_ended_and_a_node_takes_who_comes_when_it_is_back() -> None:
    jobs = [job("one", 0, 5, 4), job("two", 7, 2, 4)]
    assert ends(simulate(FOUR, jobs, POLICY, reclaims=[taken(5, 7)])) == [(0, 5), (7, 9)]


def test_who_would_find_no_place_on_all_nodes_that_come_back_is_given_up_at_once() -> None:
    jobs = [job("large", 0, 1, 5), job("one", 0, 5, 4), job("two", 0, 5, 4)]
    assert ends(simulate(FOUR, jobs, POLICY, STRICT, reclaims=[taken(0, 3)])) == [None, (3, 8), (8, 13)]
    assert ends(simulate(FOUR, jobs, POLICY, STRICT, reclaims=[taken(6, None)])) == [None, (0, 5), None]


def test_who_never_keeps_anything_is_given_up() -> None:
    jobs = [job("long", 0, 10**6, 4), job("kept", 0, 5000, 4, priority=-1)]
    jobs = [jobs[0], msgspec.structs.replace(jobs[1], checkpoint_s=1)]
    course = simulate(FOUR, jobs, POLICY, reclaims=[taken(each, each) for each in range(3, 6000, 3)])
    first, second = course.begun
    assert first is None and second is not None and second.at_s == 3 * PATIENCE
    assert course.losses is not None and course.losses.nodes == second.reclaims + PATIENCE
    assert reported(jobs, course, 4000).given_up == ("long",)


def test_who_waits_for_nodes_that_are_never_there_together_is_given_up() -> None:
    away = [taken(2 * each + start, 2 * each + start + 2, node) for each in range(0, 4000, 2) for start, node in ((0, "a"), (2, "b"))]  # fmt: skip
    jobs = [job("gang", 0, 1, 4, pods=2), job("one", 4, 1, 4)]
    course = simulate(TWO, jobs, POLICY, STRICT, reclaims=away)
    assert course.begun[0] is None and course.begun[1] is not None


def test_nodes_that_come_and_go_while_nobody_waits_make_nobody_give_up() -> None:
    away = [taken(each, each + 1) for each in range(2, 4 * PATIENCE, 2)]
    jobs = [job("one", 0, 1, 4), job("two", 3 * PATIENCE, 1, 4)]
    assert ends(simulate(FOUR, jobs, POLICY, reclaims=away)) == [(0, 1), (3 * PATIENCE + 1, 3 * PATIENCE + 2)]


def test_what_happens_before_the_first_comes_is_no_time_of_the_simulation() -> None:
    jobs = [job("one", 100, 5, 4), job("two", 100, 5, 4)]
    away = [taken(1, 2, "a"), taken(3, 104, "b"), taken(90, None, "a")]
    course = simulate(TWO, jobs, POLICY, reclaims=away)
    assert ends(course) == [(104, 109), (109, 114)]
    assert course.moments[0].at_s == 100 and course.losses == Losses(3, 0, 0, (14, 4))
    reclaims = reported(jobs, course, 8000).reclaims
    assert reclaims is not None and reclaims.away_node_hours == pytest.approx(18 / 3600)


spans = st.lists(
    st.builds(
        lambda node, at_s, for_s: taken(at_s, None if for_s is None else at_s + for_s, node),
        st.sampled_from(("a", "b", "n", "not-there")), st.integers(0, 60), st.one_of(st.none(), st.integers(0, 9)),
    ),
    max_size=12,
)  # fmt: skip


@st.composite
def jobs_of(draw: st.DrawFn) -> list[Job]:
    found, now = [], 0
    for number in range(draw(st.integers(1, 12))):
        now += draw(st.integers(0, 6))
        made = job(
            f"j{number}", now, draw(st.integers(1, 9)), draw(st.integers(0, 4)), pods=draw(st.sampled_from((1, 1, 2))),
            priority=draw(st.integers(0, 1)),
        )  # fmt: skip
        checkpoint_s, pods_min = draw(st.sampled_from((0, 0, 2, 3))), draw(st.sampled_from((None, 1)))
        found.append(msgspec.structs.replace(made, checkpoint_s=checkpoint_s, pods_min=pods_min, queue="q"))
    return found


@PROPERTY
@given(jobs_of(), spans, st.sampled_from(sorted(POLICIES)), st.sampled_from(STRATEGIES), st.booleans())
def test_work_is_neither_made_nor_lost_but_what_is_said_to_be(
    jobs: list[Job], away: list[Reclaim], name: str, strategy: str, is_queued: bool
) -> None:
    setup = Setup((queue("q", 6),)) if is_queued else None
    course = simulate(TWO, jobs, policy_named(name), strategy, 1, setup, away)
    assert simulate(TWO, jobs, policy_named(name), strategy, 1, setup, away) == course
    had = sum(one.used * (after.at_s - one.at_s) for one, after in pairwise(course.moments))
    done = sum(
        made.demand.total_gpu_millis * (made.pods * made.duration_s + begun.lost_pod_s)
        for made, begun in zip(jobs, course.begun, strict=True) if begun is not None
    )  # fmt: skip
    lost = sum(
        made.demand.total_gpu_millis * begun.lost_pod_s
        for made, begun in zip(jobs, course.begun, strict=True) if begun is not None
    )  # fmt: skip
    in_vain = course.losses.gpu_millis_s if course.losses else 0
    kept_most = sum(
        made.pods * made.demand.total_gpu_millis * (made.duration_s - 1)
        for made, begun in zip(jobs, course.begun, strict=True) if begun is None and made.checkpoint_s
    )  # fmt: skip
    # of those that were given up, what they lost was had too, and what they had kept; of fewer pods than there are the
    # last second may be no whole one
    rounded_most = sum((made.pods - 1) * made.demand.total_gpu_millis for made in jobs if made.is_elastic)
    assert 0 <= had - done - (in_vain - lost) <= kept_most + rounded_most
    for made, begun in zip(jobs, course.begun, strict=True):
        assert begun is None or begun.at_s >= made.arrival_s
        assert begun is None or begun.ended_s >= begun.at_s + made.duration_s + begun.lost_pod_s / made.pods
    for moment in course.moments:
        there = [node for node in "ab" if not any(_is_away(each, node, moment.at_s) for each in away)]
        assert moment.used <= 4000 * len(there) and -1e-6 <= moment.fragmented <= 4000 * len(there) - moment.used + 1e-6
    assert course.moments[-1].used == 0


def _is_away(span: Reclaim, node: str, at_s: int) -> bool:
    return span.node == node and span.at_s <= at_s < (math.inf if span.back_s is None else span.back_s)


@PROPERTY
@given(jobs_of(), st.sampled_from(sorted(POLICIES)), st.sampled_from(STRATEGIES))
def test_where_no_node_is_taken_it_is_what_it_is_without(jobs: list[Job], name: str, strategy: str) -> None:
    spot = [msgspec.structs.replace(node, spot=True) for node in TWO]
    rare = [msgspec.structs.replace(node, reclaims=ReclaimRate(1e-9, 60)) for node in spot]
    before = simulate(TWO, jobs, policy_named(name), strategy)
    late = simulate(TWO, jobs, policy_named(name), strategy, reclaims=[taken(10**6, None, "a")])
    drawn = simulate(rare, jobs, policy_named(name), strategy)
    assert before == simulate(spot, jobs, policy_named(name), strategy) == late._replace(losses=None)
    assert drawn._replace(losses=None) == before and drawn.losses == Losses(0, 0, 0, (0, 0)) == late.losses


@PROPERTY
@given(st.integers(1, 40), st.integers(1, 9), spans)
def test_who_keeps_what_it_did_ends_no_later(duration_s: int, checkpoint_s: int, away: list[Reclaim]) -> None:
    """One job after the other, each of all GPUs: with several beside each other a later end may well help others."""
    without = [job(f"j{number}", 3 * number, duration_s, 4) for number in range(3)]
    with_them = [msgspec.structs.replace(each, checkpoint_s=checkpoint_s) for each in without]
    plain, kept = (simulate(FOUR, each, POLICY, STRICT, reclaims=away) for each in (without, with_them))
    for one, other in zip(plain.begun, kept.begun, strict=True):
        assert one is None or (other is not None and other.ended_s <= one.ended_s)


def _drawn(nodes: Sequence[Node], seed: int, start_s: int, count: int) -> list[tuple[str, int, bool]]:
    found = Absences(nodes, (), seed, start_s).until(10**9)
    return [(nodes[each.node].name, each.at_s, each.is_back) for each in islice(found, count)]


def test_a_rate_is_a_mean_and_each_node_is_taken_by_itself() -> None:
    rate = ReclaimRate(0.5, 600)
    nodes = [msgspec.structs.replace(FOUR[0], name=f"n{number}", reclaims=rate) for number in range(100)]
    found = _drawn(nodes, 1, 1000, 20_000)
    assert _drawn(nodes, 1, 1000, 20_000) == found != _drawn(nodes, 2, 1000, 20_000)
    hours = (found[-1][1] - 1000) / 3600
    away_hours = sum(600 / 3600 for _, _, is_back in found if is_back)
    assert sum(not each[2] for each in found) / (100 * hours - away_hours) == pytest.approx(0.5, rel=0.05)
    alone = [each for each in found if each[0] == "n7"]
    assert _drawn(nodes[7:8], 1, 1000, len(alone)) == alone
    lasted = [after[1] - one[1] for one, after in pairwise(alone) if not one[2]]
    assert set(lasted) == {600}


def test_what_is_known_and_what_is_drawn_of_a_node_is_one_absence_where_it_meets() -> None:
    spans = [taken(10, 20), taken(15, 17), taken(20, 30), taken(40, 41), taken(50, None), taken(60, 70)]
    random.Random(1).shuffle(spans)
    found = Absences(FOUR, spans, 0, 0)
    assert [each[::2] for each in found.until(1000)] == [
        (10, False), (30, True), (40, False), (41, True), (50, False),
    ]  # fmt: skip
    assert (found.next_s, found.away_s(100)) == (math.inf, (71,))


def test_a_job_without_gpus_is_lost_with_its_node_too() -> None:
    cores = Job(name="cores", demand=Demand(1, 1), arrival_s=0, duration_s=9)
    assert ends(simulate(FOUR, [cores], POLICY, reclaims=[taken(5, 6)])) == [(0, 15)]
