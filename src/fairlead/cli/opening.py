"""How a command that drives a run is told to show it, and the display that fits where standard error goes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NamedTuple

from fairlead.cli.display import DataDisplay, Display
from fairlead.cli.output import add_output_option
from fairlead.errors import UsageError
from fairlead.specs.contexts import LOCAL
from fairlead.specs.unschedulable import parse_unschedulable


def open_display(*, quiet: bool, form: str) -> Display:
    """Return the display that fits where standard error goes."""
    if not quiet and form == "table" and sys.stderr.isatty():
        from fairlead.cli.live import LiveDisplay  # lazy: rich, 60 ms

        return LiveDisplay(sys.stderr)
    return Display(sys.stderr, quiet=quiet) if form == "table" else DataDisplay(sys.stderr, quiet=True)


def add_driving_options(parser: argparse.ArgumentParser) -> None:
    """Give a verb the options by which a run is driven and shown."""
    parser.add_argument("--parallel", type=int, metavar="N", help="run at most N steps at once")
    parser.add_argument(
        "--relax", action="store_true", help="run steps that ask for more than this machine has on what it has"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    add_output_option(parser)


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Give a verb the options by which a run on a cluster differs from what its context says."""
    parser.add_argument(
        "--unschedulable",
        metavar="POLICY",
        help="on a cluster, of steps that can't be scheduled: warn, 'fail-after 10m' or fail-if-never-fits; "
        "what the context says where it is not given",
    )
    add_target_option(parser)


def add_target_option(parser: argparse.ArgumentParser) -> None:
    """Give a verb the option that says what runs steps with ranks."""
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="[RUNTIME=]NAME",
        help="on a cluster, what runs steps with ranks: job, jobset, …, or the whole flow: workflow, pipelinerun; may "
        "be repeated; what the context says, or else the first that the cluster has, where it is not given. Anywhere, "
        "what runs sweeps: driver or raytune",
    )


class ClusterOptions(NamedTuple):
    """What was given for them."""

    unschedulable: str | None
    targets: dict[str, str]


def read_cluster_options(arguments: argparse.Namespace, on: str, *, is_new: bool = False) -> ClusterOptions:
    """Check what was given for them.

    Args:
        arguments: The command line's.
        on: The context.
        is_new: Whether the run is made of a flow: what runs its sweeps is said then, and stays so.

    Raises:
        UsageError: It is no policy or no target, or the run is on this machine.
    """
    targets = read_targets(arguments.target)
    if "sweep" in targets and not is_new:
        raise UsageError(
            "--target sweep=… is for a new run",
            why="what runs the sweeps of one that was begun stands in its graph",
            next="fairlead run FILE --target sweep=…",
        )
    given = {"--unschedulable": arguments.unschedulable, "--target": targets.keys() - {"sweep"}}
    for name, value in given.items():
        if value and on == LOCAL:
            raise UsageError(
                f"{name} needs a cluster",
                why="the run is on this machine",
                next="leave it away, or name a cluster: --on CONTEXT",
            )
    if arguments.unschedulable is not None:
        try:
            parse_unschedulable(arguments.unschedulable)
        except ValueError as error:
            raise UsageError(f"--unschedulable: {error}") from None
    return ClusterOptions(arguments.unschedulable, targets)


def read_targets(given: Sequence[str]) -> dict[str, str]:
    """Read targets by the kind of runtime, or ``flow``; one without is for every kind that it runs.

    Raises:
        UsageError: There is none of such a name, or it does not run what it is given for.
    """
    if not given:
        return {}
    from fairlead.targets.flow_table import FLOW, FLOWS, asked_flow_faults
    from fairlead.targets.training.table import asked_faults, kinds_of  # lazy: entry points, 10 ms

    found: dict[str, str] = {}
    for each in given:
        kind, _, name = each.rpartition("=")
        if kind == FLOW or (not kind and name in FLOWS):
            for fault in asked_flow_faults(name):
                raise UsageError(f"--target {each}: {fault.message}", next="fairlead targets")
            found[FLOW] = name
            continue
        asked = dict.fromkeys([kind] if kind else kinds_of(name), name)
        for fault in asked_faults(asked):
            raise UsageError(f"--target {each}: {fault.message}", next="fairlead targets")
        found |= asked
    return found
