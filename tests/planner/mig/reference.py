"""What MIG allows, written plainly from the rules: slices as sets, every layout tried, every sum of layouts made."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product
from operator import add

from fairlead.planner.mig.cards import Card, cards
from fairlead.planner.mig.layouts import Gpu, Instance, Layout

CARDS = list(cards().values())
Counts = tuple[int, ...]


def is_possible(card: Card, layout: Layout) -> bool:
    """Whether instances can stand beside each other."""
    taken: set[int] = set()
    for each in layout:
        profile = card.profiles[each.profile]
        slices = set(range(each.start, each.start + profile.memory_slices))
        if each.start not in profile.starts or slices & taken:
            return False
        taken |= slices
    profiles = [card.profiles[each.profile] for each in layout]
    return (
        taken <= set(range(card.memory_slices))
        and sum(profile.compute_slices for profile in profiles) <= card.compute_slices
        and sum(profile.name.endswith("+me") for profile in profiles) <= 1
    )


@cache
def all_layouts(card: Card) -> tuple[Layout, ...]:
    """Return every possible layout: at each slice one of the profiles that may begin there begins, or none."""
    beginning = [
        [None, *(Instance(start, each.name) for each in card.profiles.values() if start in each.starts)]
        for start in range(card.memory_slices)
    ]
    tried = (tuple(each for each in chosen if each is not None) for chosen in product(*beginning))
    return tuple(layout for layout in tried if is_possible(card, layout))


def count(layout: Iterable[Instance], names: Sequence[str]) -> Counts:
    """Return how many instances there are of each profile."""
    found = [each.profile for each in layout]
    return tuple(found.count(name) for name in names)


@cache
def _counted(card: Card) -> list[tuple[frozenset[Instance], Counts]]:
    return [(frozenset(layout), count(layout, list(card.profiles))) for layout in all_layouts(card)]


@cache
def _beside(card: Card, layout: frozenset[Instance]) -> set[Counts]:
    """Return what may stand beside a layout, as counts of all profiles."""
    there = count(layout, list(card.profiles))
    return {
        tuple(a - b for a, b in zip(counts, there, strict=True)) for whole, counts in _counted(card) if layout <= whole
    }


def can_place(card: Card, used: Sequence[Layout], requests: Counter[str]) -> bool:
    """Whether all requests find a place beside what is used."""
    need = tuple(requests[name] for name in card.profiles)
    sums = {(0,) * len(need)}
    for layout in used:
        beside = {_at_most(counts, need) for counts in _beside(card, frozenset(layout))}
        sums = {_sum(one, other, need) for one in sums for other in beside}
    return need in sums


def _at_most(counts: Counts, need: Counts) -> Counts:
    return tuple(map(min, counts, need))


def _sum(one: Counts, other: Counts, need: Counts) -> Counts:
    return tuple(map(min, map(add, one, other), need))


def best_cost(card: Card, gpus: Sequence[Gpu], wanted: Counter[str]) -> tuple[int, int] | None:
    """Return how many pods move and how many GPUs are cut at least; None where what is wanted can't be."""
    all_pods = Counter(each.profile for gpu in gpus for each in gpu.pods)
    need = tuple(wanted[name] + all_pods[name] for name in card.profiles)
    best: dict[Counts, tuple[int, int]] = {(0,) * len(need): (0, 0)}
    for gpu in gpus:
        ways: dict[Counts, tuple[int, int]] = {}
        for layout, all_counts in _counted(card):
            cost = len(gpu.pods.keys() - layout), int(not layout <= set(gpu.layout))
            counts = _at_most(all_counts, need)
            ways[counts] = min(cost, ways.get(counts, cost))
        after: dict[Counts, tuple[int, int]] = {}
        for one, (moves, cuts) in best.items():
            for other, (more, cut) in ways.items():
                key, cost = _sum(one, other, need), (moves + more, cuts + cut)
                after[key] = min(cost, after.get(key, cost))
        best = after
    return best.get(need)


def some_gpu(chance: random.Random, card: Card, name: str, *, fill: float = 0.95, busy: float = 0.6) -> Gpu:
    """Return a GPU that is cut in some way, with pods on some of its instances."""
    layout: Layout = ()
    while chance.random() < fill:
        more = [
            Instance(start, each.name)
            for each in card.profiles.values()
            for start in each.starts
            if is_possible(card, (*layout, Instance(start, each.name)))
        ]
        if not more:
            break
        layout = tuple(sorted((*layout, chance.choice(more))))
    return Gpu(layout, {each: f"{name}-{each.start}" for each in layout if chance.random() < busy})


def some_requests(chance: random.Random, card: Card, slices: float, kinds: int) -> Counter[str]:
    """Return requests for about so many memory slices, of so many profiles."""
    names = chance.sample(list(card.profiles), min(kinds, len(card.profiles)))
    found: Counter[str] = Counter()
    while not found or sum(card.profiles[name].memory_slices * number for name, number in found.items()) < slices:
        found[chance.choice(names)] += 1
    return found
