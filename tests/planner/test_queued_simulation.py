"""Simulations with queues: what Kueue would admit is placed, what it takes back begins again, and quota is kept."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.planner.admitting import NONE, Change, Everyone, asked_of, nodes_of
from fairlead.planner.lines import BEST_EFFORT, Line
from fairlead.planner.nodes import Node, gpu_millis_of
from fairlead.planner.outcomes import reported
from fairlead.planner.policies.table import policy_named
from fairlead.planner.simulation import Begun, Course, simulate
from fairlead.planner.workloads import Demand, Job
from fairlead.queues.manifests import Setup
from fairlead.queues.replay import Arrival, replay
from fairlead.queues.specs import (
    ClusterQueue,
    Cohort,
    FairSharing,
    FlavorQuotas,
    Preemption,
    Quota,
    ResourceGroup,
    Workload,
)
from planner.clusters import PROPERTY
from planner.test_simulation import FOUR, job

GPU = "nvidia.com/gpu"
POLICY = policy_named("best-fit")


def queue(name: str, *quotas: int, borrows: int | None = None, cohort: str = "", **more: object) -> ClusterQueue:
    """Return a queue with quota of whole GPUs of the flavors ``a``, ``b``, …"""
    flavors = tuple(
        FlavorQuotas(name=flavor, quotas={GPU: Quota(nominal=1000 * count, borrowing_limit=borrows)})
        for flavor, count in zip("abc", quotas, strict=False)
    )
    groups = (ResourceGroup(resources=(GPU,), flavors=flavors),)
    return msgspec.convert(
        {"name": name, "groups": msgspec.to_builtins(groups), "cohort": cohort, **more}, ClusterQueue
    )


def of(queue: str, made: Job, **more: int) -> Job:
    return msgspec.structs.replace(made, queue=queue, **more)


def begins(course: Course) -> list[tuple[int, int] | None]:
    return [each and (each.at_s, each.ended_s) for each in course.begun]


def test_quota_lets_wait_although_there_is_room() -> None:
    jobs = [of("q", job("one", 0, 10, 2)), of("q", job("two", 1, 5, 2))]
    assert begins(simulate(FOUR, jobs, POLICY, setup=Setup((queue("q", 2),)))) == [(0, 10), (10, 15)]
    assert begins(simulate(FOUR, jobs, POLICY, setup=Setup((queue("q", 4),)))) == [(0, 10), (1, 6)]


def test_who_is_admitted_and_finds_no_place_holds_its_quota() -> None:
    jobs = [of("q", job("one", 0, 10, 3)), of("q", job("two", 1, 5, 2)), of("q", job("three", 2, 1, 1))]
    course = simulate(FOUR, jobs, POLICY, setup=Setup((queue("q", 5),)))
    assert begins(course) == [(0, 10), (10, 15), (10, 11)]  # the third has no quota left until the first ends


def test_jobs_share_fairly_what_is_lent_where_kueue_does() -> None:
    lent = (queue("a", 0, cohort="c"), queue("b", 0, cohort="c", weight=2.0), queue("lender", 3, cohort="c"))
    jobs = [of(name, job(f"{name}{number}", 0, 10, 1)) for name in ("a", "b") for number in range(2)]
    for fair, at_once in ((None, ["a0", "a1", "b0"]), (FairSharing(), ["a0", "b0", "b1"])):
        found = begins(simulate(FOUR, jobs, POLICY, setup=Setup(lent, fair=fair)))
        assert [each.name for each, when in zip(jobs, found, strict=True) if when == (0, 10)] == at_once


@pytest.mark.parametrize(("checkpoint_s", "ended_s", "lost_s"), [(0, 23, 7), (3, 17, 1), (7, 16, 0)])
def test_what_is_taken_back_begins_again_with_what_its_last_checkpoint_has_kept(
    checkpoint_s: int, ended_s: int, lost_s: int
) -> None:
    low = of("q", job("low", 0, 10, 4), checkpoint_s=checkpoint_s)
    high = of("q", job("high", 7, 6, 4, priority=5))
    setup = Setup((queue("q", 4, preemption=msgspec.to_builtins(Preemption(within="LowerPriority"))),))
    course = simulate(FOUR, [low, high], POLICY, setup=setup)
    places = course.begun[1] and course.begun[1].places
    assert course.begun == [Begun(0, ended_s, places, 1, lost_s), Begun(7, 13, places)]
    (outcome,) = reported([low, high], course, 4000).queues
    assert (outcome.evictions, outcome.jobs, outcome.given_up) == (1, 2, 0)
    assert outcome.lost_gpu_hours == pytest.approx(4 * lost_s / 3600)
    assert outcome.gpu_hours == pytest.approx(4 * (16 + lost_s) / 3600)


def test_a_job_that_waits_for_a_place_is_taken_back_too() -> None:
    jobs = [
        of("q", job("runs", 0, 10, 3)), of("q", job("waits", 1, 5, 2)), of("q", job("high", 2, 1, 1, priority=5)),
    ]  # fmt: skip
    setup = Setup((queue("q", 5, preemption=msgspec.to_builtins(Preemption(within="LowerPriority"))),))
    course = simulate(FOUR, jobs, POLICY, setup=setup)
    assert begins(course) == [(0, 10), (10, 15), (2, 3)]
    assert [each and (each.evictions, each.lost_pod_s) for each in course.begun] == [(0, 0), (1, 0), (0, 0)]


def test_a_job_is_placed_on_nodes_of_the_flavor_that_it_was_given() -> None:
    nodes = [
        Node(name=f"{flavor}{number}", cpu_millis=1, memory_mib=1, gpus=2, model=flavor.upper(), labels=(("pool", flavor),))
        for flavor in "ab" for number in range(2)
    ]  # fmt: skip
    jobs = [of("q", job(f"j{number}", number, 10, 2)) for number in range(3)]
    setup = Setup((queue("q", 2, 2),), flavors={"a": {"pool": "b"}, "b": {"nvidia.com/gpu.product": "A"}})
    course = simulate(nodes, jobs, POLICY, setup=setup)
    assert begins(course) == [(0, 10), (1, 11), (10, 20)]
    where = [nodes[each.places[0].node].labels for each in course.begun if each]
    assert where == [(("pool", "b"),), (("pool", "a"),), (("pool", "b"),)]


def test_a_job_gets_a_flavor_that_has_its_models() -> None:
    nodes = [Node(name=model, cpu_millis=1, memory_mib=1, gpus=2, model=model) for model in "AB"]
    only_b = Job(name="b", demand=Demand(0, 0, 1, 1000, ("B",)), arrival_s=0, duration_s=1, queue="q")
    setup = Setup((queue("q", 2, 2),), flavors={each.lower(): {"nvidia.com/gpu.product": each} for each in "AB"})
    (begun,) = simulate(nodes, [only_b], POLICY, setup=setup).begun
    assert begun is not None and nodes[begun.places[0].node].model == "B"


def test_who_is_never_admitted_or_finds_no_node_is_given_up_and_gives_its_quota_back() -> None:
    jobs = [of("q", job("large", 0, 1, 5)), of("q", job("huge", 0, 1, 9)), of("q", job("small", 1, 1, 2))]
    assert begins(simulate(FOUR, jobs, POLICY, setup=Setup((queue("q", 6),)))) == [None, None, (1, 2)]


@PROPERTY
@given(st.integers(0, 10**9))
def test_on_nodes_without_end_it_is_what_the_queues_alone_do(seed: int) -> None:
    chance = random.Random(seed)
    jobs = _random_jobs(chance)
    setup = _random_setup(chance)
    course = simulate([_endless("n")], jobs, POLICY, setup=setup)
    arrivals = [
        Arrival(
            workload=Workload(
                name=each.name, queue=each.queue, pod_sets=(asked_of(each, setup.queues[0]),), priority=each.priority,
                created=each.arrival_s, uid=f"{number:012}",
            ),
            runtime=each.duration_s, checkpoint=each.checkpoint_s or None,
        )
        for number, each in enumerate(jobs)
    ]  # fmt: skip
    alone = {each.name: each for each in replay(setup.queues, setup.cohorts, arrivals)}
    for made, begun in zip(jobs, course.begun, strict=True):
        outcome = alone[made.name]
        assert (begun and begun.ended_s) == outcome.finished
        assert begun is None or (begun.evictions, begun.lost_pod_s) == (outcome.evictions, outcome.lost)


@PROPERTY
@given(st.integers(0, 10**9))
def test_quota_is_never_exceeded_and_it_is_the_same_again(seed: int) -> None:
    chance = random.Random(seed)
    jobs, setup = _random_jobs(chance), _random_setup(chance, preempts=False)
    nodes = [Node(name=f"n{number}", cpu_millis=1, memory_mib=1, gpus=4, model="A") for number in range(3)]
    course = simulate(nodes, jobs, policy_named("fgd"), setup=setup)
    assert simulate(nodes, jobs, policy_named("fgd"), setup=setup) == course
    limits = {each.name: sum(_quotas(each)) for each in setup.queues}
    for moment in course.moments:
        used = _used(jobs, course, moment.at_s)
        assert sum(used.values()) <= min(sum(limits.values()), gpu_millis_of(nodes))
        for each in setup.queues:
            if not each.cohort:
                assert used.get(each.name, 0) <= limits[each.name]
    assert course.moments[-1].used == 0


def test_with_quota_for_all_it_is_what_it_is_without_queues() -> None:
    jobs = _random_jobs(random.Random(1), count=60)
    nodes = [Node(name=f"n{number}", cpu_millis=1, memory_mib=1, gpus=4, model="A") for number in range(2)]
    setup = Setup(tuple(queue(name, 10**6) for name in ("q0", "q1")))
    plain, queued = (simulate(nodes, jobs, POLICY, BEST_EFFORT, setup=each) for each in (None, setup))
    assert plain.begun == queued.begun


def test_a_line_is_left_by_who_stands_in_its_middle() -> None:
    line = Line(BEST_EFFORT)
    for number in range(3):
        line.add(number, job(str(number), 0, 1, 1), frozenset("a"))
    line.leave(1)
    found: list[int] = []
    line.begin(lambda number, made, flavors: not found.append(number) and flavors == frozenset("a"))
    assert (found, len(line)) == ([0, 2], 0)


def test_without_queues_all_may_look_for_nodes_in_the_order_in_which_they_came() -> None:
    everyone = Everyone()
    everyone.come(3)
    everyone.come(1)
    assert [*everyone.settle(0)] == [Change("admitted", 3, NONE), Change("admitted", 1, NONE)]
    assert [*everyone.settle(1)] == []


def test_labels_are_looked_for_among_a_node_s_own_and_its_model() -> None:
    node = Node(name="n", cpu_millis=1, memory_mib=1, gpus=1, model="A", labels=(("pool", "x"), ("zone", "1")))
    for labels, expected in (
        ({}, True), ({"pool": "x"}, True), ({"pool": "x", "zone": "2"}, False), ({"nvidia.com/gpu.product": "A"}, True),
    ):  # fmt: skip
        assert [*nodes_of(labels, [node])] == [expected]


def _endless(name: str) -> Node:
    return Node(name=name, cpu_millis=1, memory_mib=1, gpus=1024, model="A")


def _random_jobs(chance: random.Random, count: int = 12) -> list[Job]:
    now, found = 0, []
    for number in range(count):
        now += chance.randint(0, 3)
        made = job(f"j{number}", now, chance.randint(1, 9), chance.randint(1, 4), priority=chance.randint(0, 2))
        found.append(of(f"q{chance.randint(0, 1)}", made, checkpoint_s=chance.choice([0, 0, 2])))
    return found


def _random_setup(chance: random.Random, *, preempts: bool = True) -> Setup:
    rules = {
        "within": chance.choice(["Never", "LowerPriority"]),
        "reclaim": chance.choice(["Never", "LowerPriority", "Any"]),
    }
    queues = tuple(
        queue(
            f"q{number}", chance.randint(1, 6), borrows=chance.choice([None, 0, 2000]), cohort=cohort,
            strategy=chance.choice(["BestEffortFIFO", "StrictFIFO"]), **({"preemption": rules} if preempts else {}),
        )
        for number, cohort in enumerate(chance.choice([("", ""), ("all", "all"), ("all", "all")]))
    )  # fmt: skip
    return Setup(tuple(each if each.cohort else queue(each.name, 4) for each in queues), (Cohort(name="all"),))


def _quotas(found: ClusterQueue) -> Sequence[int]:
    return [quota.nominal for group in found.groups for flavor in group.flavors for quota in flavor.quotas.values()]


def _used(jobs: Sequence[Job], course: Course, at_s: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for made, begun in zip(jobs, course.begun, strict=True):
        if begun is not None and begun.at_s <= at_s < begun.ended_s:
            found[made.queue] = found.get(made.queue, 0) + made.demand.total_gpu_millis
    return found
