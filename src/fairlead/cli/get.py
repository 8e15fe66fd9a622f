"""Show a run and its steps.

fairlead get RUN [-o json|yaml]
"""

from __future__ import annotations

import argparse

from fairlead.cli.display import print_report
from fairlead.cli.failures import failure_lines
from fairlead.cli.output import add_output_option, print_document


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("run", metavar="RUN", help="the run's id, a unique part of it, or 'latest'")
    add_output_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the run."""
    from fairlead.runs.finding import find_run
    from fairlead.runs.reporting import read_report
    from fairlead.runs.settings import open_store

    store = open_store()
    document = read_report(store.backend, find_run(store.backend, arguments.run))
    if arguments.output != "table":
        print_document(document, arguments.output)
        return 0
    print_report(document)
    if document.status in ("failed", "lost", "cancelled"):
        print("\n" + "\n".join(failure_lines(document)))
    return 0
