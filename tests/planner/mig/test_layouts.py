"""Which layouts are possible, held against every one that the rules allow."""

from __future__ import annotations

import random
from itertools import product

import pytest

from fairlead.planner.mig.cards import Card, card_named, cards
from fairlead.planner.mig.layouts import (
    Instance,
    Room,
    additions,
    arranged,
    fault_of,
    hosted,
    layouts_of,
    room_of,
    wasted,
    why_not,
)
from fairlead.specs.accelerators import accelerator_models
from planner.mig.reference import CARDS, all_layouts, count, is_possible, some_gpu

A100 = card_named("A100")


def test_the_figures_agree_with_the_accelerators() -> None:
    for card in CARDS:
        model = accelerator_models()[card.name]
        assert card.sources
        assert [each.name for each in model.mig_profiles] == list(card.profiles)
        for each in model.mig_profiles:
            alone = max(len(layout) for layout in all_layouts(card) if {one.profile for one in layout} <= {each.name})
            assert alone == each.count_max, f"{card.name} {each.name}"
            assert card.profiles[each.name].compute_slices <= card.profiles[each.name].memory_slices
    assert set(accelerator_models()) >= set(cards())


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_the_possible_layouts_are_those_of_the_rules(card: Card) -> None:
    found = list(layouts_of(card))
    assert sorted(found) == sorted(all_layouts(card))
    assert not any(fault_of(card, layout) for layout in found)
    names = list(card.profiles)
    assert hosted(card, Room()) == {count(layout, names) for layout in all_layouts(card)}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_what_may_be_added_is_what_leaves_a_possible_layout(card: Card) -> None:
    chance = random.Random(card.name)
    every = [Instance(start, each.name) for each in card.profiles.values() for start in each.starts]
    for _ in range(40):
        layout = some_gpu(chance, card, "g", fill=0.7).layout
        fits = {each for each in every if is_possible(card, (*layout, each))}
        assert set(additions(card, layout)) == fits
        names = list(card.profiles)
        beside = {
            count(tuple(set(whole) - set(layout)), names) for whole in all_layouts(card) if set(layout) <= set(whole)
        }
        assert hosted(card, room_of(card, layout)) == beside
        asked = tuple(chance.choice(every) for _ in range(chance.randint(1, 4)))
        assert bool(fault_of(card, asked)) != is_possible(card, asked)
        profiles = [each.profile for each in asked]
        new = arranged(card, profiles, beside=layout)
        assert (new is not None) == (count(asked, names) in beside)
        assert new is None or (is_possible(card, (*layout, *new)) and count(new, names) == count(asked, names))


@pytest.mark.parametrize("card", [A100, card_named("A30")], ids=lambda card: card.name)
def test_on_a_bare_gpu_sums_decide(card: Card) -> None:
    most = [card.memory_slices // each.memory_slices for each in card.profiles.values()]
    can_be = {count(layout, list(card.profiles)) for layout in all_layouts(card)}
    for counts in product(*(range(number + 1) for number in most)):
        profiles = [each for each, number in zip(card.profiles.values(), counts, strict=True) for _ in range(number)]
        sums_fit = (
            sum(each.memory_slices for each in profiles) <= card.memory_slices
            and sum(each.compute_slices for each in profiles) <= card.compute_slices
            and sum(each.has_media for each in profiles) <= 1
        )
        assert sums_fit == (counts in can_be)


def test_three_sevenths_take_half_of_the_memory() -> None:
    assert why_not(A100, ["3g.20gb", "3g.20gb"]) == ""
    assert "9 memory slices, and the A100-40GB has 8" in why_not(A100, ["3g.20gb", "3g.20gb", "1g.5gb"])
    assert "2 media extensions (+me), and the A100-40GB has 1" in why_not(A100, ["1g.5gb+me", "1g.5gb+me"])
    assert wasted(A100, (Instance(0, "3g.20gb"), Instance(4, "3g.20gb"))) == (1, 0)
    assert wasted(A100, tuple(Instance(start, "1g.5gb") for start in range(7))) == (0, 1)
    assert wasted(A100, ()) == (0, 0)


def test_a_fault_says_what_is_in_the_way() -> None:
    assert fault_of(A100, [Instance(2, "3g.20gb")]) == "3g.20gb may begin at memory slice 0 or 4, not 2"
    assert fault_of(A100, [Instance(1, "4g.20gb")]) == "4g.20gb may begin at memory slice 0, not 1"
    overlapping = [Instance(0, "3g.20gb"), Instance(2, "2g.10gb")]
    assert fault_of(A100, overlapping) == "2g.10gb at 2 overlaps 3g.20gb at 0"
    assert fault_of(A100, [Instance(0, "1g.5gb")] * 2) == "an instance stands there twice"
    assert "2 media extensions" in fault_of(A100, [Instance(0, "1g.5gb+me"), Instance(1, "1g.5gb+me")])


def test_an_instance_stands_where_it_takes_least_from_others() -> None:
    assert arranged(A100, ["1g.5gb"]) == (Instance(6, "1g.5gb"),)
    assert arranged(A100, ["3g.20gb"]) == (Instance(4, "3g.20gb"),)
    assert arranged(A100, ["3g.20gb"], near=[Instance(4, "2g.10gb")]) == (Instance(0, "3g.20gb"),)
