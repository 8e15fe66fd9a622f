"""List what steps returned, print a small value, write a large one to a file, or open it.

fairlead artifacts ls RUN[/STEP[/INDEX]] [-o json|yaml]
fairlead artifacts get RUN/STEP[/INDEX] [--output-number N] [--to PATH] [-o json|yaml]
fairlead artifacts open RUN/STEP[/INDEX] [--output-number N]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from typing import TYPE_CHECKING

from fairlead.cli.output import add_output_option, print_document, print_table
from fairlead.errors import UsageError

if TYPE_CHECKING:
    from fairlead.runs.finding import Target
    from fairlead.specs.reports import RunReport
    from fairlead.store.opened import Store


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    verbs = parser.add_subparsers(dest="action", required=True, metavar="ls|get|open")
    listing = verbs.add_parser("ls", help="list values", description="List what the steps of a run returned.")
    listing.add_argument("target", metavar="RUN[/STEP[/INDEX]]", help="a run, or one step or item of it")
    add_output_option(listing)
    getting = verbs.add_parser(
        "get", help="print or write a value", description="Print a small value, or write any with --to."
    )
    _add_target(getting)
    getting.add_argument(
        "--to", metavar="PATH", help="write the value to this file, or into this folder under its own name"
    )
    add_output_option(getting)
    opening = verbs.add_parser(
        "open",
        help="open a value",
        description="Open a value with the program for its kind; without a display, print its path.",
    )
    _add_target(opening)


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="RUN/STEP[/INDEX]", help="the step, with its index where it has several")
    parser.add_argument("--output-number", type=int, metavar="N", help="which of the step's outputs, from 0")


def run(arguments: argparse.Namespace) -> int:
    """List, print, write or open."""
    from fairlead.runs.finding import find_target
    from fairlead.runs.reporting import read_report
    from fairlead.runs.settings import open_store

    store = open_store()
    target = find_target(store.backend, arguments.target)
    if target.rank is not None:
        raise UsageError(
            f"{arguments.target!r} names a rank", why="the value of rank 0 is the step's", next="write RUN/STEP/INDEX"
        )
    report = read_report(store.backend, target.run)
    {"ls": _list, "get": _get, "open": _open}[arguments.action](store, report, target, arguments)
    return 0


def _list(store: Store, report: RunReport, target: Target, arguments: argparse.Namespace) -> None:
    from fairlead.quantities import human_bytes
    from fairlead.runs.artifacts import list_artifacts

    found = list_artifacts(report, target)
    if arguments.output != "table":
        print_document(found, arguments.output)
        return
    rows = [
        (
            f"{each.step}/{each.index}",
            str(each.output),
            each.name or each.type,
            each.format,
            human_bytes(each.size_bytes),
            each.digest[:12],
        )
        for each in found
    ]
    print_table(("STEP", "OUTPUT", "VALUE", "FORMAT", "SIZE", "DIGEST"), rows)


def _get(store: Store, report: RunReport, target: Target, arguments: argparse.Namespace) -> None:
    from fairlead.quantities import human_bytes
    from fairlead.runs.artifacts import find_artifact, plain_value, text_of, write_to

    step, number, ref = find_artifact(report, target, arguments.output_number)
    place = f"{target.run}/{step.name}/{step.index}"
    if arguments.to is not None:
        written = write_to(store, step, number, ref, arguments.to)
        print(
            f"wrote {written} ({human_bytes(ref.size_bytes)})"
            if ref.format != "folder"
            else f"wrote the folder {written}"
        )
    elif arguments.output != "table":
        print_document(plain_value(store, ref, place), arguments.output)
    else:
        text = text_of(store, ref, place)
        sys.stdout.write(text if text.endswith("\n") else text + "\n")


def _open(store: Store, report: RunReport, target: Target, arguments: argparse.Namespace) -> None:
    from fairlead.runs.artifacts import find_artifact, local_file

    path = local_file(store, *find_artifact(report, target, arguments.output_number))
    opener = _opener()
    print(path, flush=True)
    if opener is not None:
        import subprocess  # lazy: subprocess, 8 ms

        subprocess.run([opener, str(path)], check=False)


def _opener() -> str | None:
    """Return the program that opens files on this desktop, or None where there is no display."""
    if sys.platform == "darwin":
        return shutil.which("open")
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return shutil.which("xdg-open") if display else None
