"""Requests for instances that come one after another, and go: which GPU takes each.

Where GPUs are cut beforehand, a request takes a free instance of just its profile. Where they are cut as it is asked
for, as by dynamic resource allocation, only instances that pods have stand there, and one is made where there is room.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from fairlead.planner.mig.cards import Card
from fairlead.planner.mig.layouts import Gpu, Instance, Layout, additions

Rule = Literal["first-fit", "best-fit"]


class Place(NamedTuple):
    """Where a request found its instance."""

    gpu: int
    instance: Instance


class CutGpus:
    """GPUs of one card while pods get instances of them and give them back.

    Args:
        card: The card that all GPUs are.
        gpus: The GPUs as they are.
        cuts: Whether GPUs are cut as it is asked for; free instances that stand there are then no obstacle.
    """

    def __init__(self, card: Card, gpus: Sequence[Gpu], *, cuts: bool) -> None:
        self._card = card
        self._used = [gpu.used for gpu in gpus]
        self._free = None if cuts else [sorted(gpu.free) for gpu in gpus]

    @property
    def profiles(self) -> tuple[frozenset[str], ...]:
        """For each GPU the profiles of which it has an instance for a pod."""
        return tuple(frozenset(each.profile for each in self._free_on(gpu)) for gpu in range(len(self._used)))

    def choose(self, profile: str, rule: Rule) -> Place | None:
        """Choose an instance for a pod; None where there is none.

        Args:
            profile: The profile that it asks for.
            rule: ``first-fit`` takes the first GPU and the lowest start; ``best-fit`` the place with the lowest `cost`.
        """
        places = (
            Place(gpu, each) for gpu in range(len(self._used)) for each in self._free_on(gpu) if each.profile == profile
        )
        return next(places, None) if rule == "first-fit" else min(places, key=self.cost, default=None)

    def cost(self, place: Place) -> int:
        """Return what a place takes from others.

        That is what of the instances that could still be made, of any profile and at any start, then no longer can,
        each counted by its memory slices.
        """
        layout = self._used[place.gpu]
        return _possible(self._card, layout) - _possible(self._card, (*layout, place.instance))

    def take(self, place: Place) -> None:
        """Give a pod the instance that was chosen."""
        self._used[place.gpu] = (*self._used[place.gpu], place.instance)
        if self._free is not None:
            self._free[place.gpu].remove(place.instance)

    def give_back(self, place: Place) -> None:
        """Have an instance be free again."""
        self._used[place.gpu] = tuple(each for each in self._used[place.gpu] if each != place.instance)
        if self._free is not None:
            insort(self._free[place.gpu], place.instance)

    def _free_on(self, gpu: int) -> Sequence[Instance]:
        return additions(self._card, self._used[gpu]) if self._free is None else self._free[gpu]


def placed(
    card: Card, gpus: Sequence[Gpu], requests: Iterable[str], rule: Rule, *, cuts: bool
) -> tuple[Place | None, ...]:
    """Place requests in order, as `CutGpus` chooses; one that finds no place is passed over.

    Returns:
        The place of each request; None where there is none.
    """
    there = CutGpus(card, gpus, cuts=cuts)
    found: list[Place | None] = []
    for profile in requests:
        place = there.choose(profile, rule)
        found.append(place)
        if place is not None:
            there.take(place)
    return tuple(found)


def _possible(card: Card, layout: Layout) -> int:
    """Return the memory slices of all instances that could still be made, each taken alone."""
    return sum(card.profiles[each.profile].memory_slices for each in additions(card, layout))
