"""Cards and their MIG profiles: what instances take, and the memory slices they may begin at.

``placements.json`` beside this module says where instances may stand, with its sources; what else there is to know of
a profile stands with the accelerators (`fairlead.specs.accelerators`).
"""

from __future__ import annotations

import os
from functools import cache

import msgspec

from fairlead.errors import UsageError, nearest
from fairlead.specs.accelerators import AcceleratorModel, accelerator_models, accelerator_named


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One profile of a card.

    Attributes:
        name: As NVIDIA writes it: ``3g.20gb``, ``1g.5gb+me``.
        compute_slices: How many of the card's compute slices an instance has.
        memory_slices: How many of its memory slices.
        starts: The memory slices at which an instance may begin.
        memory_gib: The memory that its name says.
        has_media: Whether an instance has the card's one set of media extensions (``+me``), so that no other can.
    """

    name: str
    compute_slices: int
    memory_slices: int
    starts: tuple[int, ...]
    memory_gib: float
    has_media: bool


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A model of GPU that can be cut.

    Attributes:
        name: The name of the accelerator: ``A100-40GB``.
        compute_slices: How many compute slices all instances have together at most.
        memory_slices: How many memory slices it has.
        profiles: Its profiles by name, smallest first.
        sources: Where the figures are from.
    """

    name: str
    compute_slices: int
    memory_slices: int
    profiles: dict[str, Profile]
    sources: tuple[str, ...]

    def __hash__(self) -> int:
        return hash(self.name)


class _Place(msgspec.Struct, frozen=True):
    memory_slices: int
    starts: tuple[int, ...]


class _Table(msgspec.Struct, frozen=True):
    compute_slices: int
    memory_slices: int
    sources: tuple[str, ...]
    profiles: dict[str, _Place]


@cache
def cards() -> dict[str, Card]:
    """Return the cards whose placements are known, by name."""
    with open(os.path.join(os.path.dirname(__file__), "placements.json"), "rb") as file:
        tables = msgspec.convert(msgspec.json.decode(file.read())["cards"], dict[str, _Table])
    return {name: _card(accelerator_models()[name], table) for name, table in tables.items()}


def _card(model: AcceleratorModel, table: _Table) -> Card:
    profiles = {
        each.name: Profile(
            name=each.name,
            compute_slices=each.compute_slices,
            memory_slices=table.profiles[each.name].memory_slices,
            starts=table.profiles[each.name].starts,
            memory_gib=each.memory_gib,
            has_media=each.name.endswith("+me"),
        )
        for each in model.mig_profiles
    }
    return Card(
        name=model.name, compute_slices=table.compute_slices, memory_slices=table.memory_slices, profiles=profiles,
        sources=table.sources,
    )  # fmt: skip


def card_named(name: str) -> Card:
    """Return a card by any of its names: ``A100`` is the A100-40GB.

    Raises:
        UsageError: There is none, or it can't be cut, or where its instances may stand is not known.
    """
    known = f"cards that can be cut: {', '.join(cards())}"
    try:
        model, profile = accelerator_named(name)
    except ValueError as error:
        raise UsageError(f"there is no card {name!r}", why=str(error), next=known) from error
    if profile is not None:
        raise UsageError(f"{name!r} is a slice of a card, not a card", next=f"write {model.name}")
    if model.name not in cards():
        why = "no source says where its instances may stand" if model.mig_profiles else "it has no MIG"
        raise UsageError(f"{model.name} can't be cut here", why=why, next=known)
    return cards()[model.name]


def profile_named(card: Card, name: str) -> Profile:
    """Return a profile of a card: ``3g.20gb``; ``1g.5gb+me``, or ``1g.5gb.me`` as resources are named.

    Without its memory (``3g``, ``1g+me``) it is the one that has least.

    Raises:
        UsageError: The card has none of that name.
    """
    wanted = name.lower().replace(".me", "+me")
    if wanted in card.profiles:
        return card.profiles[wanted]
    size, _, extension = wanted.partition("+")
    for each in card.profiles.values():
        if size == f"{each.compute_slices}g" and each.has_media == (extension == "me") and extension in ("", "me"):
            return each
    raise UsageError(
        f"{card.name} has no MIG profile {name!r}",
        why=f"it has {', '.join(card.profiles)}",
        next=nearest(wanted, card.profiles),
    )
