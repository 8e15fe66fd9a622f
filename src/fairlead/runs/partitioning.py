"""How GPUs are cut into MIG instances so that those that are wanted become free."""

from __future__ import annotations

from fairlead.errors import UsageError
from fairlead.planner.mig.cards import card_named
from fairlead.planner.mig.layouts import Gpu, wasted
from fairlead.planner.mig.repartitioning import Move, repartitioned
from fairlead.planner.mig.texts import read_counts, read_gpus
from fairlead.specs.capacity import MigGpuReport, MigInstanceReport, PartitionReport, PodMoveReport

GPUS_MOST = 256
"""More GPUs at once are refused: a plan for them would take minutes."""


def partition(gpus: str, now: str, want: str) -> PartitionReport:
    """Plan how GPUs are cut.

    Args:
        gpus: The model, and how many there are: ``A100-40GB:4``.
        now: Their layouts, with commas between; GPUs beyond are bare.
        want: What is to be free: ``3g.20gb:4,1g.5gb:6``.

    Raises:
        UsageError: One of them can't be read, or can't be.
    """
    name, _, number = gpus.partition(":")
    card = card_named(name.strip())
    count = int(number or 1) if not number or number.isdecimal() else 0
    if not 1 <= count <= GPUS_MOST:
        raise UsageError(
            f"{gpus!r} is no number of GPUs", why=f"there must be 1 to {GPUS_MOST}", next=f"write {card.name}:4"
        )
    before = read_gpus(card, now, count)
    plan = repartitioned(card, before, read_counts(card, want))
    reports = []
    for place, (old, new) in enumerate(zip(before, plan.gpus, strict=True)):
        compute, memory = wasted(card, new.layout)
        reports.append(
            MigGpuReport(
                gpu=place, cut=place in plan.cut, now=_instances(old), then=_instances(new),
                compute_slices_wasted=compute, memory_slices_wasted=memory,
            )
        )  # fmt: skip
    return PartitionReport(
        card=card.name,
        possible=not plan.missing,
        exact=plan.is_exact,
        moves=tuple(_move(each) for each in plan.moves),
        gpus=tuple(reports),
        missing=dict(plan.missing),
    )


def _instances(gpu: Gpu) -> tuple[MigInstanceReport, ...]:
    return tuple(
        MigInstanceReport(profile=each.profile, start=each.start, pod=gpu.pods.get(each, "")) for each in gpu.layout
    )


def _move(move: Move) -> PodMoveReport:
    return PodMoveReport(
        pod=move.pod,
        profile=move.from_instance.profile,
        from_gpu=move.from_gpu,
        from_start=move.from_instance.start,
        to_gpu=move.to_gpu,
        to_start=move.to_instance.start,
    )
