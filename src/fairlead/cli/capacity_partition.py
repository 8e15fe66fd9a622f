"""Print how GPUs are to be cut into MIG instances, and which pods move."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fairlead.cli.output import add_output_option, print_document, print_table

if TYPE_CHECKING:
    from fairlead.specs.capacity import MigInstanceReport, PartitionReport

_WOULD_NOT_RUN = 6


def configure(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb, and describe its options."""
    parser = verbs.add_parser(
        "partition",
        help="cut GPUs into MIG instances",
        description="Plan how GPUs are cut into MIG instances, and which pods move.",
    )
    parser.add_argument("--gpus", required=True, metavar="MODEL:COUNT", help="the GPUs, all of one model: A100-40GB:4")
    parser.add_argument(
        "--now",
        default="",
        metavar="LAYOUT[,LAYOUT]",
        help="how they are cut, and what pods are on them: 3g.20gb=train-a+1g.5gb:2; those not given are bare",
    )
    parser.add_argument("--want", required=True, metavar="PROFILE:COUNT[,…]", help="the instances that are to be free")
    add_output_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan, and print the plan; 6 where what is wanted can't be."""
    from fairlead.runs.partitioning import partition

    found = partition(arguments.gpus, arguments.now, arguments.want)
    if arguments.output == "table":
        _print(found)
    else:
        print_document(found, arguments.output)
    return 0 if found.possible else _WOULD_NOT_RUN


def _print(found: PartitionReport) -> None:
    rows = []
    for each in found.gpus:
        waste = f"{each.compute_slices_wasted} compute, {each.memory_slices_wasted} memory"
        rows.append((str(each.gpu), _layout(each.now), "yes" if each.cut else "no", waste, _layout(each.then)))
    print_table(("GPU", "NOW", "CUT", "WASTED SLICES", "THEN"), rows, whole_last=True)
    print()
    if not found.possible:
        missing = ", ".join(f"{count} of {profile}" for profile, count in found.missing.items())
        print(f"not possible{'' if found.exact else ', as far as was searched'}: missing are {missing}")
        return
    pods, cut = len(found.moves), sum(each.cut for each in found.gpus)
    moved = f"{pods} pod{' moves' if pods == 1 else 's move'}"
    anew = f"{cut} GPU{' is' if cut == 1 else 's are'} cut anew"
    doubt = "" if found.exact else "; not every plan was considered, and one may move fewer"
    print(f"{moved}, {anew}{doubt}")
    for move in found.moves:
        print(f"  {move.pod}: GPU {move.from_gpu} at {move.from_start} -> GPU {move.to_gpu} at {move.to_start}")


def _layout(instances: Iterable[MigInstanceReport]) -> str:
    return "+".join(f"{each.profile}@{each.start}{'=' if each.pod else ''}{each.pod}" for each in instances) or "bare"
