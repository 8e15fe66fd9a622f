"""Requests for instances that come one after another: which GPU takes each.

Where GPUs are cut beforehand, a request takes a free instance of just its profile. Where they are cut as it is asked
for, as by dynamic resource allocation, only instances that pods have stand there, and one is made where there is room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from fairlead.planner.mig.cards import Card
from fairlead.planner.mig.layouts import Gpu, Instance, Layout, additions

Rule = Literal["first-fit", "best-fit"]


class Place(NamedTuple):
    """Where a request found its instance."""

    gpu: int
    instance: Instance


def placed(
    card: Card, gpus: Sequence[Gpu], requests: Iterable[str], rule: Rule, *, cuts: bool
) -> tuple[Place | None, ...]:
    """Place requests in order; one that finds no place is passed over.

    Args:
        card: The card that all GPUs are.
        gpus: The GPUs as they are.
        requests: The profile that each asks for.
        rule: ``first-fit`` takes the first GPU and the lowest start; ``best-fit`` the place that costs least of the
            instances that could still be made, of any profile and at any start, each counted by its memory slices.
        cuts: Whether GPUs are cut as it is asked for; free instances that stand there are then no obstacle.

    Returns:
        The place of each request; None where there is none.
    """
    used = [gpu.used for gpu in gpus]
    free = [list(gpu.free) for gpu in gpus]
    found: list[Place | None] = []
    for profile in requests:
        places = _cut(card, used, profile) if cuts else _free(free, profile)
        place = next(places, None) if rule == "first-fit" else _best(card, used, places)
        found.append(place)
        if place is not None:
            used[place.gpu] = (*used[place.gpu], place.instance)
            if not cuts:
                free[place.gpu].remove(place.instance)
    return tuple(found)


def _cut(card: Card, used: Sequence[Layout], profile: str) -> Iterator[Place]:
    for gpu, layout in enumerate(used):
        yield from (Place(gpu, each) for each in additions(card, layout) if each.profile == profile)


def _free(free: Sequence[Sequence[Instance]], profile: str) -> Iterator[Place]:
    for gpu, layout in enumerate(free):
        yield from (Place(gpu, each) for each in layout if each.profile == profile)


def _best(card: Card, used: Sequence[Layout], places: Iterator[Place]) -> Place | None:
    def lost(place: Place) -> int:
        layout = used[place.gpu]
        return _possible(card, layout) - _possible(card, (*layout, place.instance))

    return min(places, key=lost, default=None)


def _possible(card: Card, layout: Layout) -> int:
    """Return the memory slices of all instances that could still be made, each taken alone."""
    return sum(card.profiles[each.profile].memory_slices for each in additions(card, layout))
