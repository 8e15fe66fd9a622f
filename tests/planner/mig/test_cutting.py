"""Simulations on GPUs that are cut: each pod has an instance of its profile, and no slice is given twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from fairlead.errors import UsageError
from fairlead.planner.admitting import asked_of
from fairlead.planner.fragmentation import Fragmentation
from fairlead.planner.mig.cards import Card, card_named, cards
from fairlead.planner.mig.cutting import AS_ASKED, Cut, gpu_part, read_cut
from fairlead.planner.mig.layouts import Gpu, Instance
from fairlead.planner.mig.placing import Rule, placed
from fairlead.planner.nodes import Node
from fairlead.planner.outcomes import reported
from fairlead.planner.policies.table import POLICIES, policy_named
from fairlead.planner.reclaims import Reclaim
from fairlead.planner.simulation import Course, simulate
from fairlead.planner.states import NodeState
from fairlead.planner.typical import typical_workload
from fairlead.planner.workloads import Demand, Job
from fairlead.queues.manifests import UNIT
from fairlead.queues.specs import ClusterQueue
from planner.mig.reference import CARDS, can_place, is_possible, some_requests

RULES: tuple[Rule, ...] = ("first-fit", "best-fit")
A100 = card_named("A100-40GB")


def wants(profile: str) -> Demand:
    return Demand(0, 0, 1, gpu_part(profile), profile=profile)


def job(name: str, demand: Demand, arrival_s: int, duration_s: int, pods: int = 1) -> Job:
    return Job(name=name, demand=demand, arrival_s=arrival_s, duration_s=duration_s, pods=pods)


def cut_nodes(card: Card, counts: Sequence[int], layout: str = AS_ASKED) -> list[Node]:
    cut = read_cut(card.name, layout)
    return [
        Node(name=f"n{number}", cpu_millis=1, memory_mib=1, gpus=count, model=card.name, cut=cut)
        for number, count in enumerate(counts)
    ]


def standing(course: Course, jobs: Sequence[Job], at_s: int) -> dict[tuple[int, int], list[Instance]]:
    """Return the instances that jobs have at a moment, by node and GPU; no job has stopped before its end."""
    found: dict[tuple[int, int], list[Instance]] = {}
    for each, begun in zip(jobs, course.begun, strict=True):
        if begun is not None and begun.at_s <= at_s < begun.ended_s:
            for place in begun.places:
                assert place.start is not None and len(place.devices) == 1
                found.setdefault((place.node, place.devices[0]), []).append(Instance(place.start, each.demand.profile))
    return found


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layout", [AS_ASKED, "2g+1g+1g"])
def test_instances_are_chosen_as_of_all_gpus_in_a_row(card: Card, rule: Rule, layout: str) -> None:
    chance = random.Random(card.name)
    for _ in range(10):
        nodes = cut_nodes(card, [chance.randint(1, 2) for _ in range(chance.randint(1, 2))], layout)
        requests = list(some_requests(chance, card, 20, 3).elements())
        chance.shuffle(requests)
        jobs = [job(str(number), wants(name), number, 10**6) for number, name in enumerate(requests)]
        course = simulate(nodes, jobs, policy_named(f"mig-{rule}"))
        gpus = [(index, device) for index, node in enumerate(nodes) for device in range(node.gpus)]
        cut = nodes[0].cut
        assert cut is not None
        alone = placed(card, [Gpu(cut.layout or ())] * len(gpus), requests, rule, cuts=cut.layout is None)
        for begun, expected, each in zip(course.begun, alone, jobs, strict=True):
            at_once = begun is not None and begun.at_s == each.arrival_s
            assert at_once == (expected is not None)
            if begun is not None and expected is not None:
                (place,) = begun.places
                assert ((place.node, place.devices[0]), place.start) == (gpus[expected.gpu], expected.instance.start)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
@pytest.mark.parametrize("rule", RULES)
def test_no_slice_is_given_twice_and_nobody_waits_for_whom_there_is_room(card: Card, rule: Rule) -> None:
    chance = random.Random(card.name)
    waited = 0
    for _ in range(8):
        nodes, now, jobs = cut_nodes(card, [2, 1]), 0, []
        for number, name in enumerate(some_requests(chance, card, 60, 4).elements()):
            jobs.append(job(str(number), wants(name), now, chance.randint(1, 9)))
            now += chance.randint(0, 2)
        course = simulate(nodes, jobs, policy_named(f"mig-{rule}"))
        for moment in course.moments:
            there = standing(course, jobs, moment.at_s)
            assert all(is_possible(card, tuple(sorted(layout))) for layout in there.values())
            assert moment.used == sum(gpu_part(each.profile) for layout in there.values() for each in layout)
            used = [tuple(sorted(there.get(gpu, ()))) for gpu in ((0, 0), (0, 1), (1, 0))]
            for each, begun in zip(jobs, course.begun, strict=True):
                assert begun is not None
                if each.arrival_s <= moment.at_s < begun.at_s:
                    waited += 1
                    assert not can_place(card, used, Counter([each.demand.profile]))
    assert waited


def test_instances_that_stand_are_given_whole_and_to_their_profile_alone() -> None:
    nodes = cut_nodes(A100, [2], "3g+2g+1g+1g")
    names = ["3g.20gb", "3g.20gb", "3g.20gb", "1g.5gb", "4g.20gb"]
    jobs = [job(str(number), wants(name), number, 10) for number, name in enumerate(names)]
    for rule in RULES:
        course = simulate(nodes, jobs, policy_named(f"mig-{rule}"))
        assert [each and each.at_s for each in course.begun] == [0, 1, 10, 3, None]


def test_a_gang_has_an_instance_for_each_pod_and_loses_all_of_them_with_a_node() -> None:
    nodes = cut_nodes(A100, [1, 1])
    jobs = [job("gang", wants("4g.20gb"), 0, 10, pods=2), job("small", wants("3g.20gb"), 1, 4)]
    away = [Reclaim(node="n1", at_s=6, back_s=8)]
    course = simulate(nodes, jobs, policy_named("mig-best-fit"), reclaims=away)
    first, second = course.begun
    assert first is not None and (first.at_s, first.ended_s, first.lost_pod_s) == (0, 18, 2 * 6)
    assert {place.node for place in first.places} == {0, 1} and second is not None and second.ended_s == 5
    assert course.moments[-1].used == 0


def test_whole_gpus_are_not_cut_and_cut_ones_are_not_whole() -> None:
    whole = Node(name="whole", cpu_millis=1, memory_mib=1, gpus=1, model=A100.name)
    nodes = [*cut_nodes(A100, [1]), whole]
    jobs = [job("one", Demand(0, 0, 1, 1000), 0, 5), job("part", Demand(0, 0, 1, 300), 0, 5), job("two", wants("7g.40gb"), 0, 5), job("three", wants("1g.5gb"), 0, 5), job("none", Demand(0, 0), 0, 5)]  # fmt: skip
    for rule in RULES:
        course = simulate(nodes, jobs, policy_named(f"mig-{rule}"))
        found = [each and (each.at_s, each.places[0].node) for each in course.begun]
        assert found[:4] == [(0, 1), (5, 1), (0, 0), (5, 0)] and found[4] is not None


def test_best_fit_leaves_room_for_the_large_where_first_fit_does_not() -> None:
    """A small instance goes where another one is, although a node before has a bare GPU."""
    nodes = cut_nodes(A100, [1, 1])
    names = [("7g.40gb", 0, 5), ("1g.5gb", 1, 100), ("1g.5gb", 6, 100), ("7g.40gb", 7, 5)]
    jobs = [job(str(number), wants(name), at_s, for_s) for number, (name, at_s, for_s) in enumerate(names)]
    begun = {rule: simulate(nodes, jobs, policy_named(f"mig-{rule}")).begun for rule in RULES}
    assert [each and each.at_s for each in begun["best-fit"]] == [0, 1, 6, 7]
    assert [each and each.at_s for each in begun["first-fit"]] == [0, 1, 6, 101]


def test_what_is_left_of_a_cut_gpu_is_a_fragment_where_it_has_no_instance_to_give() -> None:
    demands = [wants("3g.20gb"), wants("1g.5gb"), Demand(0, 0, 1, 1000)]
    measure = Fragmentation(typical_workload([*demands, demands[0]]), {A100.name: 2})
    state = NodeState(cut_nodes(A100, [2], "4g+3g")[0], (A100.name,))
    assert state.cut is not None
    assert measure.amount(state) == pytest.approx(2000 * 0.5)  # two of four pods ask for 3g, and each GPU has one
    place = state.cut.choose("3g.20gb", "first-fit")
    assert place is not None
    state.place_instance(demands[0], place)
    assert measure.amount(state) == pytest.approx((2000 - 428) - 0.5 * 1000)
    state.remove(demands[0], (place.gpu,), place.instance.start)
    assert measure.amount(state) == pytest.approx(1000)
    bare = NodeState(Node(name="n", cpu_millis=1, memory_mib=1, gpus=1, model=A100.name), (A100.name,))
    assert measure.amount(bare) == pytest.approx(750)  # whole, so the instances are of no use for it


def test_an_instance_counts_as_the_part_that_its_compute_slices_are() -> None:
    assert [gpu_part(each) for each in ("1g.5gb", "3g.20gb", "7g.40gb", "2g.12gb", "1g.5gb+me")] == [
        142,
        428,
        1000,
        500,
        142,
    ]
    for card in cards().values():
        for name, profile in card.profiles.items():
            assert gpu_part(name) == 1000 * profile.compute_slices // card.compute_slices
    with pytest.raises(UsageError, match="no card has a MIG profile '3g'"):
        gpu_part("3g")
    jobs = [job(str(number), wants("1g.5gb"), 0, 3600) for number in range(7)]
    report = reported(jobs, simulate(cut_nodes(A100, [1]), jobs, policy_named("mig-first-fit")), 1000)
    assert report.scheduling_occupancy == pytest.approx(99.4)


def test_a_queue_has_quota_of_the_resource_of_a_profile() -> None:
    queue = ClusterQueue(name="q", groups=())
    assert asked_of(job("a", wants("1g.5gb+me"), 0, 1, pods=3), queue) == {"nvidia.com/mig-1g.5gb.me": 3 * UNIT}


def test_layouts_are_of_the_model_of_the_node() -> None:
    assert read_cut("A100", "3g+3g") == Cut("A100-40GB", (Instance(0, "3g.20gb"), Instance(4, "3g.20gb")))
    assert read_cut("H100", AS_ASKED).gives("3g.40gb") and not read_cut("H100", "7g").gives("3g.40gb")
    for model, text, said in (
        ("T4", "3g", "can't be cut"), ("A100", "3g+3g+1g", "can't be on one"), ("A100", "3g=pod", "no layout of"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            read_cut(model, text)


def test_two_policies_know_mig() -> None:
    assert [name for name, each in POLICIES.items() if each.knows_mig] == ["mig-first-fit", "mig-best-fit"]
