"""The option that has a verb draw a figure beside what it prints."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_plot_option(parser: argparse.ArgumentParser) -> None:
    """Describe the option."""
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw a figure of it too: FILE.png or FILE.svg")


def check_plot(arguments: argparse.Namespace) -> None:
    """Refuse a figure that can't be drawn, before anything is calculated for it.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: No figure can be written to the file.
    """
    if arguments.plot is not None:
        from fairlead.cli.capacity_plots import check_file

        check_file(arguments.plot)


def wants_plot(arguments: argparse.Namespace, code: int) -> bool:
    """Return whether a figure is to be drawn: not of a part of what was asked for, since it would not say so."""
    if arguments.plot is not None and code:
        print("no figure is drawn of a part", file=sys.stderr)
    return arguments.plot is not None and not code
