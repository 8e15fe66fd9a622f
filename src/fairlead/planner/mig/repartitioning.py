"""What is cut anew, and which pods move, so that certain instances become free: as few pods as can be.

A GPU can be cut while pods are on it: their instances stay where they are, and what is beside them is made anew. So a
pod moves only where its instance is in the way. Of plans that move as few pods the one that cuts the fewest GPUs is
taken. Pods that move may go to any GPU; all that move stop before any begins again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import combinations

import msgspec

from fairlead.planner.mig.cards import Card
from fairlead.planner.mig.covering import Option, cover
from fairlead.planner.mig.layouts import Gpu, Instance, Layout, Room, additions, arranged, counts_of, room_of
from fairlead.planner.mig.packing import fullest, packed, taken

_Chosen = tuple[tuple[int, ...], "Layout | None"]
"""What a GPU gives besides the pods that it has, and the instances that stay; None where it is not cut."""

EXACT_UP_TO = 6
"""For up to so many GPUs every plan is considered."""


class Move(msgspec.Struct, frozen=True):
    """A pod that moves: from where to where."""

    pod: str
    from_gpu: int
    from_instance: Instance
    to_gpu: int
    to_instance: Instance


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is done.

    Attributes:
        gpus: Each GPU as it is then.
        cut: The GPUs on which instances are made.
        moves: The pods that move.
        missing: What can't become free; empty where all of it does, and where it does not nothing is done.
        is_exact: Whether no plan moves fewer pods or, with as many, cuts fewer GPUs; or that less can't be missing.
    """

    gpus: tuple[Gpu, ...]
    cut: tuple[int, ...] = ()
    moves: tuple[Move, ...] = ()
    missing: Counter[str] = msgspec.field(default_factory=Counter)
    is_exact: bool = True


def repartitioned(card: Card, gpus: Sequence[Gpu], wanted: Counter[str]) -> Plan:
    """Find how instances become free beside those that pods have.

    Args:
        card: The card that all GPUs are.
        gpus: The GPUs as they are; layouts must be possible.
        wanted: How many instances of which profile are to be free.

    Returns:
        The plan; where `wanted` can't be, one that does nothing and says what is missing.
    """
    names = _names(card, gpus, wanted)
    need = tuple(wanted[name] for name in names)
    per_move = len(gpus) + 1  # a pod that moves outweighs cutting all GPUs
    choices = [
        [
            Option(each.gives, each.moves * per_move + each.cuts, each.kept)
            for each in _choices(card, gpu.used, counts_of(card, (one.profile for one in gpu.free)), names)
        ]
        for gpu in gpus
    ]
    chosen, is_exact = cover(choices, need, [card.profiles[name] for name in names], all_of_up_to=EXACT_UP_TO)
    if chosen is not None:
        return _plan(card, gpus, wanted, [(option.gives, option.what) for option in chosen], is_exact)
    added = None if is_exact else packed(card, [()] * len(gpus), wanted + _on_pods(gpus)).added
    if added is None:
        missing, is_certain = _missing(card, gpus, wanted)
        return Plan(gpus=tuple(gpus), missing=missing, is_exact=is_exact and is_certain)
    anywhere: list[_Chosen] = []
    for gpu, layout in zip(gpus, added, strict=True):
        there = Counter(each.profile for each in layout)
        there.subtract(each.profile for each in gpu.used)
        anywhere.append((tuple(there[name] for name in names), ()))
    return _plan(card, gpus, wanted, anywhere, is_exact=False)


def _on_pods(gpus: Iterable[Gpu]) -> Counter[str]:
    return Counter(each.profile for gpu in gpus for each in gpu.used)


def _names(card: Card, gpus: Iterable[Gpu], wanted: Counter[str]) -> tuple[str, ...]:
    asked = wanted + _on_pods(gpus)
    return tuple(name for name in card.profiles if asked[name])


class _Choice(msgspec.Struct, frozen=True):
    """What one GPU can do: which pods' instances it keeps (None: it is not cut), and what it then gives."""

    gives: tuple[int, ...]
    moves: int
    cuts: int
    kept: Layout | None


@cache
def _choices(card: Card, used: Layout, free: tuple[int, ...], names: tuple[str, ...]) -> tuple[_Choice, ...]:
    """Return what a GPU can do, the cheapest first, but for what gives no more at no lower cost."""
    places = [list(card.profiles).index(name) for name in names]
    found = [_Choice(tuple(free[place] for place in places), 0, 0, None)]
    for moves in range(len(used) + 1):
        better = []
        for kept in combinations(used, len(used) - moves):
            lost = Counter(each.profile for each in used if each not in kept)
            for counts in fullest(card, room_of(card, kept), names):
                gives = tuple(count - lost[name] for name, count in zip(names, counts, strict=True))
                better.append(_Choice(gives, moves, 1, kept))
        found += _unexceeded(better, found)
    return tuple(found)


def _unexceeded(choices: Iterable[_Choice], cheaper: Sequence[_Choice]) -> Iterator[_Choice]:
    kept = list(cheaper)
    for each in sorted(choices, key=lambda each: sum(each.gives), reverse=True):
        if not any(all(one >= other for one, other in zip(more.gives, each.gives, strict=True)) for more in kept):
            kept.append(each)
            yield each


def _missing(card: Card, gpus: Sequence[Gpu], wanted: Counter[str]) -> tuple[Counter[str], bool]:
    """Return the least that can't become free wherever pods go, by memory slices, and whether that is certain."""
    names = _names(card, gpus, wanted)
    profiles = [card.profiles[name] for name in names]
    on_pods = _on_pods(gpus)
    need = tuple(wanted[name] + on_pods[name] for name in names)
    bare = [Option(counts, 0) for counts in fullest(card, Room(), names)]
    given_up = [
        [
            Option(tuple(count * (name == profile.name) for name in names), count * profile.memory_slices)
            for count in range(wanted[profile.name] + 1)
        ]
        for profile in profiles
    ]
    all_of_up_to = EXACT_UP_TO + len(names) if len(gpus) <= EXACT_UP_TO else 0
    chosen, is_exact = cover([*given_up, *[bare] * len(gpus)], need, profiles, all_of_up_to=all_of_up_to)
    if chosen is None:  # where not every sum was kept
        return wanted, False
    missing = {name: sum(each.gives[place] for each in chosen[: len(names)]) for place, name in enumerate(names)}
    return +Counter(missing), is_exact


def _plan(card: Card, gpus: Sequence[Gpu], wanted: Counter[str], chosen: Sequence[_Chosen], is_exact: bool) -> Plan:
    """Give every pod that moves, and all that is wanted, an instance."""
    names = _names(card, gpus, wanted)
    kept = [gpu.used if stays is None else stays for gpu, (_, stays) in zip(gpus, chosen, strict=True)]
    moving = [(number, each) for number, gpu in enumerate(gpus) for each in gpu.used if each not in kept[number]]
    left = wanted + Counter(each.profile for _, each in moving)
    layouts = [gpu.layout for gpu in gpus]
    places: list[tuple[int, Instance]] = []
    for number in sorted(range(len(gpus)), key=lambda number: chosen[number][1] is not None):
        gpu, (gives, stays) = gpus[number], chosen[number]
        lost = Counter(each.profile for each in gpu.used if each not in kept[number])
        given = taken(left, names, tuple(count + lost[name] for name, count in zip(names, gives, strict=True)))
        if stays is None:
            free = list(gpu.free)
            new = tuple(_popped(free, name) for name in given)
        else:
            old = tuple(each for each in gpu.layout if each not in stays)
            arrangement = arranged(card, given, beside=stays, near=old)
            assert arrangement is not None, "what a GPU can host has an arrangement"
            new = arrangement
            layouts[number] = _filled(card, (*stays, *new), old)
        places += [(number, each) for each in new]
    assert not +left, "the chosen options give all that is needed"
    moves = _moves(gpus, moving, places)
    return Plan(
        gpus=tuple(_then(gpu, number, layouts[number], moves) for number, gpu in enumerate(gpus)),
        cut=tuple(number for number, gpu in enumerate(gpus) if not set(layouts[number]) <= set(gpu.layout)),
        moves=tuple(moves),
        is_exact=is_exact,
    )


def _popped(free: list[Instance], profile: str) -> Instance:
    return free.pop(next(place for place, each in enumerate(free) if each.profile == profile))


def _filled(card: Card, layout: Layout, old: Layout) -> Layout:
    """Return a layout with those of the old instances that are not in its way."""
    for each in old:
        if each in additions(card, layout):
            layout = (*layout, each)
    return tuple(sorted(layout))


def _moves(
    gpus: Sequence[Gpu], moving: Sequence[tuple[int, Instance]], places: list[tuple[int, Instance]]
) -> list[Move]:
    staying = [each for each in moving if each in places]  # where not all plans were considered
    for each in staying:
        places.remove(each)
    moves = []
    for number, instance in moving:
        if (number, instance) not in staying:
            to = next(place for place in places if place[1].profile == instance.profile)
            places.remove(to)
            moves.append(Move(gpus[number].pods[instance], number, instance, *to))
    return moves


def _then(gpu: Gpu, number: int, layout: Layout, moves: Iterable[Move]) -> Gpu:
    gone = {each.from_instance for each in moves if each.from_gpu == number}
    come = {each.to_instance: each.pod for each in moves if each.to_gpu == number}
    return Gpu(layout, {**{each: pod for each, pod in gpu.pods.items() if each not in gone}, **come})
