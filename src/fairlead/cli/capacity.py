"""Say what the GPUs of a cluster would do: how much of them can be used, and what placement makes of it.

    fairlead capacity replay --format openb --nodes FILE --workloads FILE --policy NAME[,NAME] [--inflate 1.3]
                             [--seeds 42:52]
    fairlead capacity partition --gpus MODEL:COUNT [--now LAYOUT[,LAYOUT]] --want PROFILE:COUNT[,PROFILE:COUNT]

replay is the published experiment: pods come one after another in a random order onto empty nodes, none leaves, and
one that finds no place is dropped. partition says how GPUs are cut into MIG instances so that those that are wanted
become free, and as few pods as possible move; it ends with 6 where that can't be. No cluster is asked.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cli import partitioning
from fairlead.cli.output import add_output_option, print_document, print_table
from fairlead.errors import UsageError

if TYPE_CHECKING:
    from fairlead.specs.reports import ReplayReport

_SHOWN_EVERY = 10
"""The table for people has every tenth per cent, and the last."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    verbs = parser.add_subparsers(dest="action", required=True, metavar="replay|partition")
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
    partitioning.configure(
        verbs.add_parser(
            "partition",
            help="cut GPUs into MIG instances",
            description="Plan how GPUs are cut into MIG instances, and which pods move.",
        )
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    return partitioning.run(arguments) if arguments.action == "partition" else _replay(arguments)


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
        _print(found)
    else:
        print_document(found, arguments.output)
    return 0


def _seeds(text: str) -> range:
    start, _, stop = text.partition(":")
    if not start.isdecimal() or not stop.isdecimal() or int(start) >= int(stop):
        raise UsageError(f"--seeds {text!r} is no START:STOP with START < STOP", next="--seeds 42:52")
    return range(int(start), int(stop))


def _print(found: dict[str, ReplayReport]) -> None:
    rows = []
    for policy, report in found.items():
        last = report.gpu_allocation[-1].arrivals_percent
        for used, lost in zip(report.gpu_allocation, report.fragmentation, strict=True):
            if used.arrivals_percent % _SHOWN_EVERY == 0 or used.arrivals_percent == last:
                cells = (f"{used.mean:.2f} ± {used.sd:.2f}", f"{lost.mean:.2f} ± {lost.sd:.2f}")
                rows.append((policy, f"{used.arrivals_percent} %", *cells))
    print_table(("POLICY", "ARRIVED", "ALLOCATED %", "FRAGMENTED %"), rows)
