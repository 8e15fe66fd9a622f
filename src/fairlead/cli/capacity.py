"""Say what the GPUs of a cluster would do: how much of them can be used, and what placement makes of it.

    fairlead capacity replay --format openb --nodes FILE --workloads FILE --policy NAME[,NAME] [--inflate 1.3]
                             [--seeds 42:52]
    fairlead capacity fragmentation (--on CONTEXT | --snapshot BUNDLE)

replay is the published experiment: pods come one after another in a random order onto empty nodes, none leaves, and
one that finds no place is dropped. Files are read, no cluster is asked. fragmentation says which GPUs of a cluster are
free as it stands, how much of them its typical workload can't use, and why.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cli.output import add_output_option, print_document, print_table
from fairlead.errors import UsageError
from fairlead.specs.contexts import LOCAL

if TYPE_CHECKING:
    from fairlead.specs.reports import FragmentationReport, ReplayReport, Stranded

    _Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # it has no other name

_SHOWN_EVERY = 10
"""The table for people has every tenth per cent, and the last."""
_GAPS_SHOWN = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    verbs = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _configure_replay(verbs)
    _configure_fragmentation(verbs)


def _configure_replay(verbs: _Verbs) -> None:
    replaying = verbs.add_parser(
        "replay", help="replay a workload", description="Replay a workload on empty nodes, once for each seed."
    )
    replaying.add_argument("--format", choices=("openb",), default="openb", help="how the files are written; openb")
    replaying.add_argument("--nodes", type=Path, required=True, metavar="FILE", help="the nodes")
    replaying.add_argument("--workloads", type=Path, required=True, metavar="FILE", help="the pods")
    replaying.add_argument(
        "--policy", required=True, metavar="NAME[,NAME]", help="what places pods: docs/capacity.md lists the policies"
    )
    replaying.add_argument(
        "--inflate",
        type=float,
        metavar="FACTOR",
        help="draw more of the pods until they ask for so much of all GPUs; the pods as they are where it is not given",
    )
    replaying.add_argument(
        "--seeds", default="42:52", metavar="START:STOP", help="the seeds, STOP excluded; 42:52 where it is not given"
    )
    replaying.add_argument("--skip-bad", action="store_true", help="leave bad rows out and count them, not refuse")
    replaying.add_argument("--processes", type=int, metavar="N", help="how many at once; as many as there are cores")
    add_output_option(replaying)


def _configure_fragmentation(verbs: _Verbs) -> None:
    telling = verbs.add_parser(
        "fragmentation",
        help="say which GPUs are free, and why they can't be used",
        description="Say which GPUs of a cluster are free, how much of them the typical workload can't use, and why.",
    )
    telling.add_argument("--on", metavar="CONTEXT", help="of which cluster; the chosen context where it is not given")
    telling.add_argument("--snapshot", metavar="BUNDLE", help="say it by a snapshot, not by the cluster")
    add_output_option(telling)


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked for, and print what it gives."""
    return _ACTIONS[arguments.action](arguments)


def _fragmentation(arguments: argparse.Namespace) -> int:
    from fairlead.runs.fragmenting import fragmentation_of_bundle, fragmentation_of_context
    from fairlead.runs.settings import chosen_context

    if arguments.snapshot is not None:
        found = fragmentation_of_bundle(arguments.snapshot)
    elif chosen_context() == LOCAL:
        raise UsageError("no cluster is named", next="--on CONTEXT, or --snapshot BUNDLE")
    else:
        found = fragmentation_of_context(chosen_context())
    if arguments.output == "table":
        _print_fragmentation(found)
    else:
        print_document(found, arguments.output)
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    seeds = _seeds(arguments.seeds)
    policies = [each for each in dict.fromkeys(arguments.policy.split(",")) if each]
    if not policies:
        raise UsageError("--policy names none", next="--policy fgd")
    if arguments.inflate is not None and not 0 < arguments.inflate < math.inf:
        raise UsageError(f"--inflate must be above 0, got {arguments.inflate}", next="--inflate 1.3")
    if arguments.processes is not None and arguments.processes < 1:
        raise UsageError(f"--processes must be at least 1, got {arguments.processes}")
    from fairlead.runs.capacity import read_inputs, replay_policies

    inputs = read_inputs(arguments.nodes, arguments.workloads, skip_bad=arguments.skip_bad)
    for note in inputs.notes:
        print(note, file=sys.stderr)
    found = replay_policies(inputs, policies, seeds, inflate=arguments.inflate, processes=arguments.processes)
    if arguments.output == "table":
        _print_replay(found)
    else:
        print_document(found, arguments.output)
    return 0


def _seeds(text: str) -> range:
    start, _, stop = text.partition(":")
    if not start.isdecimal() or not stop.isdecimal() or int(start) >= int(stop):
        raise UsageError(f"--seeds {text!r} is no START:STOP with START < STOP", next="--seeds 42:52")
    return range(int(start), int(stop))


def _print_replay(found: dict[str, ReplayReport]) -> None:
    rows = []
    for policy, report in found.items():
        last = report.gpu_allocation[-1].arrivals_percent
        for used, lost in zip(report.gpu_allocation, report.fragmentation, strict=True):
            if used.arrivals_percent % _SHOWN_EVERY == 0 or used.arrivals_percent == last:
                cells = (f"{used.mean:.2f} ± {used.sd:.2f}", f"{lost.mean:.2f} ± {lost.sd:.2f}")
                rows.append((policy, f"{used.arrivals_percent} %", *cells))
    print_table(("POLICY", "ARRIVED", "ALLOCATED %", "FRAGMENTED %"), rows)


_MEANINGS = {
    "mig-profile": "MIG slices of a profile that is not asked for",
    "model": "of a model, or on a node with labels, that is not asked for",
    "node-closed": "on nodes that are cordoned, not ready or tainted",
    "gpu-too-full": "less is left of a GPU than is wanted of one",
    "too-few-gpus": "fewer GPUs on one node than are wanted together",
    "no-cpu": "no CPU is left beside them",
    "no-memory": "no memory is left beside them",
}


def _print_fragmentation(found: FragmentationReport) -> None:
    if not found.gpu_millis:
        print(f"{found.subject}: no node that could be read has a GPU")
    else:
        _print_gpus(found)
    if found.pending is not None:
        each = found.pending
        print(f"\n{each.pods} pods with GPUs are pending: {each.fit_now} would fit now, {each.fit_if_usable} if all"
              " free GPUs of their models were usable")  # fmt: skip
    if found.not_read:
        print("\nnot read, or counted otherwise")
        for gap in found.not_read[:_GAPS_SHOWN]:
            print(f"  {gap.what}: {gap.why}")
        if len(found.not_read) > _GAPS_SHOWN:
            print(f"  and {len(found.not_read) - _GAPS_SHOWN} more: -o json has them all")


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


_ACTIONS = {"replay": _replay, "fragmentation": _fragmentation}
