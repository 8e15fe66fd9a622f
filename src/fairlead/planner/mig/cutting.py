"""How nodes say that their GPUs are cut, and what part of a GPU an instance is."""

from __future__ import annotations

from functools import cache

import msgspec

from fairlead.errors import UsageError, nearest
from fairlead.planner.mig.cards import card_named, cards
from fairlead.planner.mig.layouts import Gpu, Instance
from fairlead.planner.mig.placing import CutGpus
from fairlead.planner.mig.texts import read_gpu

AS_ASKED = "as-asked"
"""The word for GPUs that are cut as it is asked for."""


class Cut(msgspec.Struct, frozen=True):
    """How each GPU of a node is cut.

    Attributes:
        card: The card that they are.
        layout: The instances that stand on each; None where they are made as it is asked for.
    """

    card: str
    layout: tuple[Instance, ...] | None

    def gpus(self, count: int) -> CutGpus:
        """Return so many GPUs that are cut so, all free."""
        return CutGpus(card_named(self.card), [Gpu(self.layout or ())] * count, cuts=self.layout is None)

    def gives(self, profile: str) -> bool:
        """Say whether a GPU that is all free has an instance for a pod."""
        return profile in self.gpus(1).profiles[0]


def read_cut(model: str, text: str) -> Cut:
    """Read how GPUs of a model are cut: `AS_ASKED`, or the layout that each of them has.

    Raises:
        UsageError: The model can't be cut, or not so.
    """
    card = card_named(model)
    if text == AS_ASKED:
        return Cut(card.name, None)
    gpu = read_gpu(card, text, f"layout {text}")
    if gpu.pods or not gpu.layout:
        raise UsageError(f"{text!r} is no layout of instances without pods", next=f"write {AS_ASKED}, or as 3g:2")
    return Cut(card.name, gpu.layout)


def cut_fault(model: str, text: str) -> str:
    """Say why GPUs of a model can't be cut so; empty where they can."""
    try:
        read_cut(model, text)
    except UsageError as error:
        return ": ".join(filter(None, (error.what, error.why or error.next)))
    return ""


@cache
def gpu_part(profile: str) -> int:
    """Return what part of a GPU an instance is by its compute slices, in thousandths, rounded down.

    Args:
        profile: The whole name of its profile: ``3g.20gb``.

    Raises:
        UsageError: No card has such a profile.
    """
    for card in cards().values():
        if profile in card.profiles:
            return 1000 * card.profiles[profile].compute_slices // card.compute_slices
    known = sorted({name for card in cards().values() for name in card.profiles})
    raise UsageError(f"no card has a MIG profile {profile!r}", next=nearest(profile, known))
