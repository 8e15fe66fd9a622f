"""How a command that drives a run is told to show it, and the display that fits where standard error goes."""

from __future__ import annotations

import argparse
import sys

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


def add_unschedulable_option(parser: argparse.ArgumentParser) -> None:
    """Give a verb the option that says what becomes of a step which a cluster can't schedule."""
    parser.add_argument(
        "--unschedulable",
        metavar="POLICY",
        help="on a cluster, of steps that can't be scheduled: warn, 'fail-after 10m' or fail-if-never-fits; "
        "what the context says where it is not given",
    )


def read_unschedulable(given: str | None, on: str) -> str | None:
    """Check what was given for it.

    Raises:
        UsageError: It is no policy, or the run is on this machine.
    """
    if given is None:
        return None
    if on == LOCAL:
        raise UsageError(
            "--unschedulable needs a cluster",
            why="nothing is scheduled on this machine",
            next="leave it away, or name a cluster: --on CONTEXT",
        )
    try:
        parse_unschedulable(given)
    except ValueError as error:
        raise UsageError(f"--unschedulable: {error}") from None
    return given
