"""Whether requests can be placed at all, held against every way there is; and what first fit and best fit do."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from fairlead.planner.mig.cards import Card, card_named
from fairlead.planner.mig.layouts import Gpu, Instance
from fairlead.planner.mig.packing import packed
from fairlead.planner.mig.placing import Place, Rule, placed
from planner.mig.reference import CARDS, can_place, is_possible, some_gpu, some_requests

A100 = card_named("A100")
RULES: tuple[Rule, ...] = ("first-fit", "best-fit")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_requests_are_placed_wherever_that_can_be(card: Card) -> None:
    chance = random.Random(card.name)
    answers = Counter[bool]()
    cases = 900 if card.memory_slices == 4 else 200
    for _ in range(cases):
        used = [some_gpu(chance, card, "g", fill=0.6).used for _ in range(chance.randint(1, 4))]
        left = sum(
            card.memory_slices - sum(card.profiles[each.profile].memory_slices for each in layout) for layout in used
        )
        requests = some_requests(chance, card, left * chance.uniform(0.5, 1), chance.randint(1, 4))
        found = packed(card, used, requests)
        assert found.is_certain
        assert (found.added is not None) == can_place(card, used, requests), f"{used} {requests}"
        answers[found.added is not None] += 1
        if found.added is not None:
            assert sum((Counter(each.profile for each in new) for new in found.added), Counter()) == requests
            assert all(is_possible(card, (*old, *new)) for old, new in zip(used, found.added, strict=True))
    assert min(answers.values()) > cases / 10, "both answers are tried"


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("cuts", [True, False])
def test_one_after_another_a_request_finds_a_place_where_there_is_one(card: Card, rule: Rule, cuts: bool) -> None:
    chance = random.Random(card.name)
    for _ in range(40):
        gpus = [some_gpu(chance, card, "g") for _ in range(chance.randint(1, 4))]
        requests = list(some_requests(chance, card, 12, 3).elements())
        chance.shuffle(requests)
        used = [gpu.used for gpu in gpus]
        for profile, place in zip(requests, placed(card, gpus, requests, rule, cuts=cuts), strict=True):
            places = [
                Place(number, Instance(start, profile))
                for number, gpu in enumerate(gpus)
                for start in card.profiles[profile].starts
                if is_possible(card, (*used[number], Instance(start, profile)))
                and (cuts or Instance(start, profile) in set(gpu.layout))
            ]
            assert place in (places or [None])
            if rule == "first-fit":
                assert place == (places[0] if places else None)
            if place is not None:
                used[place.gpu] = (*used[place.gpu], place.instance)


def test_best_fit_leaves_room_for_what_is_large() -> None:
    gpus, requests = [Gpu()], ["1g.5gb", "2g.10gb", "4g.20gb"]
    first = placed(A100, gpus, requests, "first-fit", cuts=True)
    assert first == (Place(0, Instance(0, "1g.5gb")), Place(0, Instance(2, "2g.10gb")), None)
    best = placed(A100, gpus, requests, "best-fit", cuts=True)
    assert best == (Place(0, Instance(6, "1g.5gb")), Place(0, Instance(4, "2g.10gb")), Place(0, Instance(0, "4g.20gb")))


def test_best_fit_places_more_than_first_fit() -> None:
    chance = random.Random(5)
    slices: Counter[str] = Counter()
    for _ in range(30):
        requests = list(some_requests(chance, A100, 64, 4).elements())
        chance.shuffle(requests)
        for rule in RULES:
            for place in placed(A100, [Gpu()] * 8, requests, rule, cuts=True):
                slices[rule] += A100.profiles[place.instance.profile].memory_slices if place else 0
    assert slices["best-fit"] > slices["first-fit"]


def test_what_is_cut_beforehand_counts_only_where_nothing_is_cut() -> None:
    gpus = [Gpu((Instance(0, "7g.40gb"),)), Gpu((Instance(0, "3g.20gb"),), {Instance(0, "3g.20gb"): "a"})]
    assert placed(A100, gpus, ["3g.20gb", "7g.40gb"], "first-fit", cuts=False) == (
        None,
        Place(0, Instance(0, "7g.40gb")),
    )
    assert placed(A100, gpus, ["3g.20gb", "7g.40gb"], "best-fit", cuts=True) == (
        Place(1, Instance(4, "3g.20gb")),
        Place(0, Instance(0, "7g.40gb")),
    )
