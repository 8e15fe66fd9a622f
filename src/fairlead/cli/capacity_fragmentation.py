"""Print which GPUs of a cluster are free, how much of them its typical workload can't use, and why."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from fairlead.cli.capacity_csv import of_fragmentation
from fairlead.cli.capacity_gaps import print_gaps
from fairlead.cli.capacity_plotting import add_plot_option, check_plot
from fairlead.cli.output import add_output_option, print_csv, print_document, print_table
from fairlead.errors import UsageError
from fairlead.specs.contexts import LOCAL

if TYPE_CHECKING:
    from fairlead.specs.capacity import FragmentationReport, Stranded

_MEANINGS = {
    "mig-profile": "MIG slices of a profile that is not asked for",
    "model": "of a model, or on a node with labels, that is not asked for",
    "node-closed": "on nodes that are cordoned, not ready or tainted",
    "gpu-too-full": "less is left of a GPU than is wanted of one",
    "too-few-gpus": "fewer GPUs on one node than are wanted together",
    "no-cpu": "no CPU is left beside them",
    "no-memory": "no memory is left beside them",
}


def configure(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb, and describe its options."""
    telling = verbs.add_parser(
        "fragmentation",
        help="say which GPUs are free, and why they can't be used",
        description="Say which GPUs of a cluster are free, how much of them the typical workload can't use, and why.",
    )
    telling.add_argument("--on", metavar="CONTEXT", help="of which cluster; the chosen context where it is not given")
    telling.add_argument("--snapshot", metavar="BUNDLE", help="say it by a snapshot, not by the cluster")
    add_plot_option(telling)
    add_output_option(telling, more=("csv",))


def run(arguments: argparse.Namespace) -> int:
    """Print what of a cluster's GPUs is free, and why it can't be used."""
    from fairlead.runs.fragmenting import fragmentation_of_bundle, fragmentation_of_context
    from fairlead.runs.settings import chosen_context

    check_plot(arguments)
    if arguments.snapshot is not None:
        found = fragmentation_of_bundle(arguments.snapshot)
    elif chosen_context() == LOCAL:
        raise UsageError("no cluster is named", next="--on CONTEXT, or --snapshot BUNDLE")
    else:
        found = fragmentation_of_context(chosen_context())
    if arguments.output == "table":
        _print(found)
    elif arguments.output == "csv":
        print_csv(*of_fragmentation(found))
        print_gaps(found.not_read, beside=True)
    else:
        print_document(found, arguments.output)
    if arguments.plot is not None and not found.free_gpu_millis:
        print("no figure is drawn: no GPU is free", file=sys.stderr)
    elif arguments.plot is not None:
        from fairlead.cli.capacity_plots import plot_fragmentation

        plot_fragmentation(found, arguments.plot)
    return 0


def _print(found: FragmentationReport) -> None:
    if not found.gpu_millis:
        print(f"{found.subject}: no node that could be read has a GPU")
    else:
        _print_gpus(found)
    if found.pending is not None:
        each = found.pending
        print(f"\n{each.pods} pods with GPUs are pending: {each.fit_now} would fit now, {each.fit_if_usable} if all"
              " free GPUs of their models were usable")  # fmt: skip
    print_gaps(found.not_read)


def _print_gpus(found: FragmentationReport) -> None:
    taken = found.gpu_millis - found.free_gpu_millis
    print(f"{found.subject}: {_gpus(found.gpu_millis)} GPUs")
    print(f"  GPU allocation rate   {found.gpu_allocation_percent:.2f} %   {_gpus(taken)} are taken")
    if found.fragmentation_percent is None:
        return
    if not found.typical:
        print(f"  {_gpus(found.free_gpu_millis)} are free; no pod asks for GPUs, so that none are stranded")
    else:
        print(f"  fragmentation rate    {found.fragmentation_percent:.2f} %   {_gpus(found.stranded_gpu_millis)} of"
              f" {_gpus(found.free_gpu_millis)} free ones can't be used by the typical workload")  # fmt: skip
        print()
        rows = [(each.cause, _gpus(each.gpu_millis), _MEANINGS[each.cause]) for each in found.causes if each.gpu_millis]
        print_table(("CAUSE", "GPUS", ""), rows)
    print()
    rows_of_nodes = [
        (each.node, each.model, _gpus(each.gpu_millis), _gpus(each.free_gpu_millis), _gpus(each.stranded_gpu_millis),
         _why(each.causes))
        for each in found.nodes if each.free_gpu_millis
    ]  # fmt: skip
    print_table(("NODE", "MODEL", "GPUS", "FREE", "STRANDED", "WHY"), rows_of_nodes, whole_last=True)


def _why(causes: tuple[Stranded, ...]) -> str:
    return ", ".join(f"{each.cause} {_gpus(each.gpu_millis)}" for each in causes)


def _gpus(millis: int) -> str:
    """Write thousandths of a GPU for people, exactly: ``2``, ``0.75``."""
    return f"{millis / 1000:.3f}".rstrip("0").rstrip(".")
