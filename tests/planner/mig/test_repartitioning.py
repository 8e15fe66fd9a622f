"""Plans that free instances: what they do is right, and with up to six GPUs none is better."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from fairlead.planner.mig import covering
from fairlead.planner.mig.cards import Card, card_named
from fairlead.planner.mig.layouts import Gpu, Instance
from fairlead.planner.mig.repartitioning import Plan, repartitioned
from fairlead.planner.mig.texts import read_gpus
from planner.mig.reference import CARDS, best_cost, can_place, is_possible, some_gpu, some_requests

A30, A100 = card_named("A30"), card_named("A100")


def check(card: Card, gpus: list[Gpu], wanted: Counter[str], plan: Plan) -> None:
    """Check that a plan does what it says, and what is wanted."""
    pods = {pod: (number, each) for number, gpu in enumerate(gpus) for each, pod in gpu.pods.items()}
    then = {pod: (number, each) for number, gpu in enumerate(plan.gpus) for each, pod in gpu.pods.items()}
    assert then.keys() == pods.keys()
    assert all(is_possible(card, gpu.layout) and set(gpu.pods) <= set(gpu.layout) for gpu in plan.gpus)
    assert sum(len(gpu.pods) for gpu in plan.gpus) == len(pods)
    moved = {pod for pod in pods if pods[pod] != then[pod]}
    assert moved == {each.pod for each in plan.moves}
    assert len(moved) == len(plan.moves)
    for each in plan.moves:
        assert (pods[each.pod], then[each.pod]) == (
            (each.from_gpu, each.from_instance),
            (each.to_gpu, each.to_instance),
        )
        assert each.from_instance.profile == each.to_instance.profile
    made = [set(new.layout) - set(old.layout) for old, new in zip(gpus, plan.gpus, strict=True)]
    assert plan.cut == tuple(number for number, new in enumerate(made) if new)
    assert all(number in plan.cut or gpus[number].layout == gpu.layout for number, gpu in enumerate(plan.gpus))
    free = Counter(each.profile for gpu in plan.gpus for each in gpu.free)
    assert not wanted - free


def some_case(chance: random.Random, card: Card, count: int) -> tuple[list[Gpu], Counter[str]]:
    """Return GPUs with pods, and wants that may just fit."""
    gpus = [some_gpu(chance, card, str(number), busy=chance.choice([0.3, 0.6, 1])) for number in range(count)]
    used = sum(card.profiles[each.profile].memory_slices for gpu in gpus for each in gpu.used)
    slices = card.memory_slices * count * chance.uniform(0.6, 1) - used
    return gpus, some_requests(chance, card, slices, chance.randint(1, 3))


@pytest.mark.parametrize(
    ("card", "count", "cases"),
    [(A30, 1, 400), (A30, 2, 300), (A30, 3, 200), (A30, 4, 150)]
    + [(A30, 5, 20), (A30, 6, 20)]
    + [(card, 1, 20) for card in CARDS]
    + [(card, 2, 8) for card in CARDS]
    + [(A100, 3, 20), (A100, 4, 8)],
    ids=lambda value: value.name if isinstance(value, Card) else str(value),
)
def test_no_plan_is_better(card: Card, count: int, cases: int) -> None:
    chance = random.Random(f"{card.name} {count}")
    for _ in range(cases):
        gpus, wanted = some_case(chance, card, count)
        plan = repartitioned(card, gpus, wanted)
        best = best_cost(card, gpus, wanted)
        assert plan.is_exact
        if best is None:
            assert plan.missing <= wanted
            assert plan.gpus == tuple(gpus)
        else:
            assert not plan.missing
            assert (len(plan.moves), len(plan.cut)) == best, f"{gpus} {wanted}"
            check(card, gpus, wanted, plan)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_what_is_missing_is_the_least_there_is(count: int) -> None:
    chance = random.Random(count)
    seen = 0
    while seen < 25:
        gpus, wanted = some_case(chance, A30, count)
        missing = repartitioned(A30, gpus, wanted).missing
        if not missing:
            continue
        seen += 1
        pods = Counter(each.profile for gpu in gpus for each in gpu.used)
        assert can_place(A30, [()] * count, wanted - missing + pods)
        slices = sum(A30.profiles[name].memory_slices * number for name, number in missing.items())
        for less in _subsets(wanted):
            if sum(A30.profiles[name].memory_slices * number for name, number in less.items()) < slices:
                assert not can_place(A30, [()] * count, wanted - less + pods)


def _subsets(counts: Counter[str]) -> list[Counter[str]]:
    found = [Counter[str]()]
    for name, most in counts.items():
        found = [each + Counter({name: number}) for each in found for number in range(most + 1)]
    return found


@pytest.mark.parametrize(("card", "count", "cases"), [(A30, 12, 6), (A100, 12, 2)])
def test_plans_for_more_gpus_do_what_they_say(card: Card, count: int, cases: int) -> None:
    chance = random.Random(count)
    possible = 0
    for _ in range(cases):
        gpus, wanted = some_case(chance, card, count)
        plan = repartitioned(card, gpus, wanted)
        if not plan.missing:
            possible += 1
            check(card, gpus, wanted, plan)
    assert possible


@pytest.mark.parametrize("card", [A30, A100], ids=lambda card: card.name)
def test_a_plan_is_right_however_little_is_searched(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covering, "_MOST", 3)
    monkeypatch.setattr(covering, "_LEAST", 3)
    chance = random.Random(1)
    for _ in range(40):
        gpus, wanted = some_case(chance, card, 8)
        plan = repartitioned(card, gpus, wanted)
        assert not plan.is_exact
        if plan.missing:
            assert plan.missing <= wanted
        else:
            check(card, gpus, wanted, plan)


def test_a_pod_moves_only_where_its_instance_is_in_the_way() -> None:
    gpus = read_gpus(A100, "1g@0=a+1g@6=b,3g@0=c+3g@4=d", 2)
    plan = repartitioned(A100, gpus, Counter({"4g.20gb": 1}))
    assert [(each.pod, each.to_gpu) for each in plan.moves] == [("a", 0)]
    assert plan.gpus[0].pods.keys() >= {Instance(6, "1g.5gb")}
    assert plan.cut == (0,)
    free = repartitioned(A100, read_gpus(A100, "1g=a,3g=c+3g", 2), Counter({"3g.20gb": 1}))
    assert (free.moves, free.cut) == ((), ())
