"""One GPU: which instances may stand beside each other, and what there is still room for.

An instance takes neighbouring memory slices from one of its profile's starts on. A layout is possible where no slice
is taken twice, all instances together have no more compute slices than the card, and at most one has the media
extensions. In which order instances are made does not matter: a layout is possible if some choice of starts is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

import msgspec

from fairlead.planner.mig.cards import Card, Profile

Counts = tuple[int, ...]
"""How many instances of each profile of a card, in the card's order."""


class Instance(NamedTuple):
    """A profile at the memory slice that it begins at; a layout is a tuple of them in order."""

    start: int
    profile: str


Layout = tuple[Instance, ...]


class Gpu(msgspec.Struct, frozen=True):
    """One GPU: the instances that it is cut into, and the pods that have one each."""

    layout: Layout = ()
    pods: dict[Instance, str] = {}

    @property
    def used(self) -> Layout:
        """The instances that a pod has."""
        return tuple(each for each in self.layout if each in self.pods)

    @property
    def free(self) -> Layout:
        """The instances that no pod has."""
        return tuple(each for each in self.layout if each not in self.pods)


class Room(NamedTuple):
    """What is taken of a GPU: as much of its layout as decides what may be added.

    Attributes:
        slices: The memory slices, a bit for each.
        compute: How many compute slices.
        has_media: Whether the media extensions are taken.
    """

    slices: int = 0
    compute: int = 0
    has_media: bool = False


def room_of(card: Card, layout: Iterable[Instance]) -> Room:
    """Return what a possible layout takes."""
    taken = Room()
    for each in layout:
        taken = _with(taken, card.profiles[each.profile], each.start)
    return taken


def slices_of(profile: Profile, start: int) -> int:
    """Return the memory slices of an instance, a bit for each."""
    return ((1 << profile.memory_slices) - 1) << start


def _with(taken: Room, profile: Profile, start: int) -> Room:
    return Room(
        taken.slices | slices_of(profile, start),
        taken.compute + profile.compute_slices,
        taken.has_media or profile.has_media,
    )


def _fits(card: Card, taken: Room, profile: Profile, start: int) -> bool:
    return (
        not taken.slices & slices_of(profile, start)
        and taken.compute + profile.compute_slices <= card.compute_slices
        and not (taken.has_media and profile.has_media)
    )


def additions(card: Card, layout: Iterable[Instance]) -> tuple[Instance, ...]:
    """Return every instance that may be added to a layout, alone."""
    return _additions(card, room_of(card, layout))


@cache
def _additions(card: Card, taken: Room) -> tuple[Instance, ...]:
    return tuple(
        Instance(start, profile.name)
        for profile in card.profiles.values()
        for start in profile.starts
        if _fits(card, taken, profile, start)
    )


def fault_of(card: Card, layout: Sequence[Instance]) -> str:
    """Say why a layout can't be; empty where it can."""
    taken = Room()
    if len(set(layout)) < len(layout):
        return "an instance stands there twice"
    for each in sorted(layout):
        profile = card.profiles[each.profile]
        if each.start not in profile.starts:
            return f"{each.profile} may begin at memory slice {_listed(profile.starts)}, not {each.start}"
        if not _fits(card, taken, profile, each.start):
            before = [other for other in sorted(layout) if other != each and _overlap(card, other, each)]
            if before:
                return f"{each.profile} at {each.start} overlaps {before[0].profile} at {before[0].start}"
            return _excess(card, [one.profile for one in layout])
        taken = _with(taken, profile, each.start)
    return ""


def _overlap(card: Card, one: Instance, other: Instance) -> bool:
    return bool(slices_of(card.profiles[one.profile], one.start) & slices_of(card.profiles[other.profile], other.start))


def why_not(card: Card, profiles: Sequence[str]) -> str:
    """Say why instances of these profiles can't stand on one GPU; empty where they can."""
    return "" if arranged(card, profiles) is not None else _excess(card, profiles)


def _excess(card: Card, profiles: Sequence[str]) -> str:
    found = [card.profiles[each] for each in profiles]
    sums = {
        "memory slices": (sum(each.memory_slices for each in found), card.memory_slices),
        "compute slices": (sum(each.compute_slices for each in found), card.compute_slices),
        "media extensions (+me)": (sum(each.has_media for each in found), 1),
    }
    return next(  # on a bare card starts are never all that is in the way
        f"together they take {asked} {what}, and the {card.name} has {most}"
        for what, (asked, most) in sums.items()
        if asked > most
    )


def _listed(starts: Sequence[int]) -> str:
    return ", ".join(map(str, starts[:-1])) + " or " + str(starts[-1]) if len(starts) > 1 else str(starts[0])


def arranged(
    card: Card, profiles: Iterable[str], *, beside: Layout = (), near: Iterable[Instance] = ()
) -> Layout | None:
    """Give instances of these profiles starts.

    Args:
        card: The card.
        profiles: A profile for each instance.
        beside: Instances that stand already, and stay.
        near: Instances that had better be used, or not be overlapped.

    Returns:
        The new instances, at the starts that take least from others where there is a choice; None where there is
        no room for all of them.
    """
    order = sorted(profiles, key=lambda name: (-card.profiles[name].memory_slices, -card.profiles[name].compute_slices))
    liked = frozenset(near)
    found = _arranged(card, room_of(card, beside), tuple(order), liked)
    return None if found is None else tuple(sorted(found))


def _arranged(card: Card, taken: Room, order: tuple[str, ...], liked: frozenset[Instance]) -> Layout | None:
    if not order:
        return ()
    profile = card.profiles[order[0]]
    for start in sorted(profile.starts, key=lambda start: _worth(card, Instance(start, profile.name), liked)):
        if _fits(card, taken, profile, start):
            rest = _arranged(card, _with(taken, profile, start), order[1:], liked)
            if rest is not None:
                return (Instance(start, profile.name), *rest)
    return None


def _worth(card: Card, each: Instance, liked: frozenset[Instance]) -> tuple[bool, int, int, int]:
    spoilt = sum(_overlap(card, each, other) for other in liked)
    return each not in liked, spoilt, _claims(card, each), each.start


@cache
def _claims(card: Card, each: Instance) -> int:
    """How many instances of a bare GPU overlap one; the fewer, the less it takes from others."""
    return sum(_overlap(card, each, other) for other in _additions(card, Room()))


@cache
def hosted(card: Card, taken: Room) -> frozenset[Counts]:
    """Return all that may be added to a GPU together, as counts of the card's profiles."""
    names = list(card.profiles)
    found = {(0,) * len(names)}
    for each in _additions(card, taken):
        place = names.index(each.profile)
        after = hosted(card, _with(taken, card.profiles[each.profile], each.start))
        found.update((*counts[:place], counts[place] + 1, *counts[place + 1 :]) for counts in after)
    return frozenset(found)


def counts_of(card: Card, profiles: Iterable[str]) -> Counts:
    """Return how many there are of each profile of a card, in the card's order."""
    count = Counter(profiles)
    return tuple(count[name] for name in card.profiles)


def layouts_of(card: Card) -> Iterator[Layout]:
    """Yield every layout that is possible on a card, the bare one included."""
    return _layouts(card, Room(), ())


def _layouts(card: Card, taken: Room, layout: Layout) -> Iterator[Layout]:
    yield layout
    for each in _additions(card, taken):
        if not layout or each.start > layout[-1].start:
            yield from _layouts(card, _with(taken, card.profiles[each.profile], each.start), (*layout, each))


def wasted(card: Card, layout: Iterable[Instance]) -> tuple[int, int]:
    """Return how many compute and memory slices no further instance could have, however the rest is cut."""
    taken = room_of(card, layout)
    free = card.compute_slices - taken.compute, card.memory_slices - taken.slices.bit_count()
    usable = [0, 0]
    for counts in hosted(card, taken):
        pairs = list(zip(counts, card.profiles.values(), strict=True))
        usable[0] = max(usable[0], sum(count * each.compute_slices for count, each in pairs))
        usable[1] = max(usable[1], sum(count * each.memory_slices for count, each in pairs))
    return free[0] - usable[0], free[1] - usable[1]
