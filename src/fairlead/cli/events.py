"""List what happened in a run, oldest first.

fairlead events RUN [-o json|yaml]
"""

from __future__ import annotations

import argparse

from fairlead.cli.output import add_output_option, print_document, print_table


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("run", metavar="RUN", help="the run's id, a unique part of it, or 'latest'")
    add_output_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the events."""
    from fairlead.runs.finding import find_run
    from fairlead.runs.settings import open_store
    from fairlead.runs.timeline import read_timeline

    backend = open_store().backend
    found = read_timeline(backend, find_run(backend, arguments.run))
    if arguments.output != "table":
        print_document(found, arguments.output)
        return 0
    rows = [(each.time, each.kind, f"{each.step}/{each.index}" if each.step else "", each.message) for each in found]
    print_table(("TIME", "KIND", "STEP", "WHAT"), rows, whole_last=True)
    return 0
