"""Say what the GPUs of a cluster would do: how much of them can be used, and what placement makes of it.

    fairlead capacity replay --format openb --nodes FILE --workloads FILE --policy NAME[,NAME] [--inflate 1.3]
                             [--seeds 42:52]
    fairlead capacity simulate (--nodes FILE | --snapshot BUNDLE) --workloads FILE --policy NAME[,NAME]
    fairlead capacity compare CHANGES (--nodes FILE | --snapshot BUNDLE) --workloads FILE --policy NAME
    fairlead capacity fragmentation (--on CONTEXT | --snapshot BUNDLE)
    fairlead capacity rightsize [FLOW …] [--margin 0.2] [--prices FILE] [--csv FILE]
    fairlead capacity partition --gpus MODEL:COUNT [--now LAYOUT[,LAYOUT]] --want PROFILE:COUNT[,PROFILE:COUNT]

replay is the published experiment: pods come one after another in a random order onto empty nodes, none leaves, and one
that finds no place is dropped. simulate has jobs come at their times, wait, run and go. Files are read by both, no
cluster is asked. fragmentation says which GPUs of a cluster are free as it stands, how much of them its typical
workload can't use, and why. rightsize says what steps ask for, what their attempts used, and what to ask for. partition
says how GPUs are cut into MIG instances so that those that are wanted become free, and as few pods as possible move; it
ends with 6 where that can't be.

-o csv prints the table of any of them but partition for spreadsheets, and --plot FILE.svg draws what replay, simulate,
compare and fragmentation say; --prices FILE of simulate and compare says what the nodes cost.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cli import (
    capacity_compare,
    capacity_fragmentation,
    capacity_partition,
    capacity_rightsize,
    capacity_simulate,
)
from fairlead.cli.capacity_csv import of_replays
from fairlead.cli.capacity_gathering import gathered
from fairlead.cli.capacity_plotting import add_plot_option, check_plot, wants_plot
from fairlead.cli.capacity_policies import add_policy_option, policies_of
from fairlead.cli.output import add_output_option, print_csv, print_document, print_table
from fairlead.errors import UsageError

if TYPE_CHECKING:
    from fairlead.specs.capacity import ReplayReport

_SHOWN_EVERY = 10
"""The table for people has every tenth per cent, and the last."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    verbs = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _configure_replay(verbs)
    capacity_simulate.configure(verbs)
    capacity_compare.configure(verbs)
    capacity_fragmentation.configure(verbs)
    capacity_rightsize.configure(verbs)
    capacity_partition.configure(verbs)


def _configure_replay(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    replaying = verbs.add_parser(
        "replay", help="replay a workload", description="Replay a workload on empty nodes, once for each seed."
    )
    replaying.add_argument("--format", choices=("openb",), default="openb", help="how the files are written; openb")
    replaying.add_argument("--nodes", type=Path, required=True, metavar="FILE", help="the nodes")
    replaying.add_argument("--workloads", type=Path, required=True, metavar="FILE", help="the pods")
    add_policy_option(replaying)
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
    add_plot_option(replaying)
    add_output_option(replaying, more=("csv",))


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked for, and print what it gives."""
    return _ACTIONS[arguments.action](arguments)


def _replay(arguments: argparse.Namespace) -> int:
    seeds = _seeds(arguments.seeds)
    policies = policies_of(arguments)
    if arguments.inflate is not None and not 0 < arguments.inflate < math.inf:
        raise UsageError(f"--inflate must be above 0, got {arguments.inflate}", next="--inflate 1.3")
    if arguments.processes is not None and arguments.processes < 1:
        raise UsageError(f"--processes must be at least 1, got {arguments.processes}")
    check_plot(arguments)
    from fairlead.runs.capacity import averages, read_inputs, replays

    inputs = read_inputs(arguments.nodes, arguments.workloads, skip_bad=arguments.skip_bad)
    for note in inputs.notes:
        print(note, file=sys.stderr)
    coming = replays(inputs, policies, seeds, inflate=arguments.inflate, processes=arguments.processes)
    done, code = gathered(coming, len(policies) * len(seeds), "replays", arguments)
    found = averages(done, policies)
    if arguments.output == "table":
        _print_replay(found)
    elif arguments.output == "csv":
        print_csv(*of_replays(found))
    else:
        print_document(found, arguments.output)
    if wants_plot(arguments, code):
        from fairlead.cli.capacity_plots import plot_replays

        plot_replays(found, arguments.plot)
    return code


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
                rows.append((policy, str(report.seeds), f"{used.arrivals_percent} %", *cells))
    print_table(("POLICY", "SEEDS", "ARRIVED", "ALLOCATED %", "FRAGMENTED %"), rows)


_ACTIONS = {
    "replay": _replay,
    "simulate": capacity_simulate.run,
    "compare": capacity_compare.run,
    "fragmentation": capacity_fragmentation.run,
    "rightsize": capacity_rightsize.run,
    "partition": capacity_partition.run,
}
