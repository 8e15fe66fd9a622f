"""Cancel a run, and wait until it has ended. Steps have five seconds to end by themselves.

    fairlead cancel RUN

What has succeeded stays: fairlead resume RUN goes on later. A run that has ended is left as it is.
"""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("run", metavar="RUN", help="the run's id, a unique part of it, or 'latest'")


def run(arguments: argparse.Namespace) -> int:
    """Cancel the run."""
    from fairlead.runs.cancelling import cancel
    from fairlead.runs.finding import find_run
    from fairlead.runs.reporting import read_report
    from fairlead.runs.settings import open_store
    from fairlead.specs.status import ENDED

    backend = open_store().backend
    run_id = find_run(backend, arguments.run)
    before = read_report(backend, run_id).status
    if before in ENDED:
        print(f"run {run_id} had ended already: {before}")
        return 0
    after = cancel(backend, run_id).status
    print(f"run {run_id} cancelled" if after == "cancelled" else f"run {run_id} {after} before it could be cancelled")
    return 0
