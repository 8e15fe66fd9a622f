"""How a command that drives a run is told to show it, and the display that fits where standard error goes."""

from __future__ import annotations

import argparse
import sys

from fairlead.cli.display import DataDisplay, Display
from fairlead.cli.output import add_output_option


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
