"""Whether requests can be placed at all on GPUs that are cut as it is asked for, and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from fairlead.planner.mig.cards import Card
from fairlead.planner.mig.covering import Option, cover
from fairlead.planner.mig.layouts import Counts, Gpu, Layout, Room, arranged, hosted, room_of
from fairlead.planner.mig.placing import placed

EXACT_UP_TO = 8
"""For up to so many GPUs every way is tried where simpler means do not answer."""


class Packing(NamedTuple):
    """The new instances of each GPU, and whether the answer is certain.

    Attributes:
        added: The new instances; None where the requests can't all be placed.
        is_certain: Whether they really can't; a packing that was found is always one.
    """

    added: tuple[Layout, ...] | None
    is_certain: bool = True


def packed(card: Card, used: Sequence[Layout], requests: Counter[str]) -> Packing:
    """Find a place for all requests, if there is one.

    Args:
        card: The card that all GPUs are.
        used: The instances of each GPU that stay where they are.
        requests: How many instances of which profile are asked for.
    """
    names = tuple(name for name in card.profiles if requests[name])
    by_size = sorted(names, key=lambda name: card.profiles[name].memory_slices, reverse=True)
    order = [name for name in by_size for _ in range(requests[name])]
    places = placed(card, [Gpu(layout, dict.fromkeys(layout, "")) for layout in used], order, "best-fit", cuts=True)
    if None not in places:
        found: list[Layout] = [()] * len(used)
        for place in places:
            assert place is not None
            found[place.gpu] = tuple(sorted((*found[place.gpu], place.instance)))
        return Packing(tuple(found))
    choices = [[Option(counts, 0) for counts in fullest(card, room_of(card, layout), names)] for layout in used]
    need = tuple(requests[name] for name in names)
    chosen, is_certain = cover(choices, need, [card.profiles[name] for name in names], all_of_up_to=EXACT_UP_TO)
    if chosen is None:
        return Packing(None, is_certain)
    left, result = Counter(requests), []
    for layout, option in zip(used, chosen, strict=True):
        given = taken(left, names, option.gives)
        new = arranged(card, given, beside=layout)
        assert new is not None, "what a GPU can host has an arrangement"
        result.append(new)
    return Packing(tuple(result))


def taken(left: Counter[str], names: Sequence[str], gives: Counts) -> list[str]:
    """Take from what is left as much of each profile as is given; returns a profile for each instance."""
    given = [name for name, count in zip(names, gives, strict=True) for _ in range(min(count, left[name]))]
    left.subtract(given)
    return given


@cache
def fullest(card: Card, room: Room, names: tuple[str, ...]) -> tuple[Counts, ...]:
    """Return the counts of some profiles that can be added to a GPU together, but for those that others exceed."""
    places = [list(card.profiles).index(name) for name in names]
    found = sorted({tuple(counts[place] for place in places) for counts in hosted(card, room)}, key=sum, reverse=True)
    kept: list[Counts] = []
    for counts in found:
        if not any(all(one >= other for one, other in zip(more, counts, strict=True)) for more in kept):
            kept.append(counts)
    return tuple(kept)
