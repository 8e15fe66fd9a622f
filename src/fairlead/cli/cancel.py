"""Cancel a run, and wait until it has ended. Steps have five seconds to end by themselves.

    fairlead cancel RUN [--abandon]

What has succeeded stays: fairlead resume RUN goes on later. A run that has ended is left as it is. A run whose cluster
is gone for good can't be stopped there: --abandon writes down what is known, and gives it back.
"""

from __future__ import annotations

import argparse

_CLUSTER_PATIENCE_S = 120.0
"""How long a cluster may take: pods have 30 seconds, and then the run's last one must start."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("run", metavar="RUN", help="the run's id, a unique part of it, or 'latest'")
    parser.add_argument(
        "--abandon",
        action="store_true",
        help="write off a run whose cluster is gone for good; nothing is stopped there",
    )


def run(arguments: argparse.Namespace) -> int:
    """Cancel the run."""
    from fairlead.runs.cancelling import abandon, cancel
    from fairlead.runs.finding import find_run
    from fairlead.runs.reporting import is_driven, read_report
    from fairlead.runs.settings import chosen_context, open_store
    from fairlead.specs.contexts import LOCAL
    from fairlead.specs.status import ENDED

    on = chosen_context()
    backend = open_store().backend
    run_id = find_run(backend, arguments.run)
    before = read_report(backend, run_id).status
    if before in ENDED and not (arguments.abandon and is_driven(backend, run_id)):
        print(f"run {run_id} had ended already: {before}")
        return 0
    if arguments.abandon:
        after = abandon(backend, run_id)
    elif on == LOCAL:
        after = cancel(backend, run_id).status
    else:
        after = cancel(backend, run_id, stop=lambda: _stop(on, run_id), patience_s=_CLUSTER_PATIENCE_S).status
    print(f"run {run_id} cancelled" if after == "cancelled" else f"run {run_id} {after} before it could be cancelled")
    return 0


def _stop(context: str, run_id: str) -> None:
    from fairlead.runs import clusters  # lazy: urllib3, 30 ms; only for runs on a cluster

    clusters.stop(context, run_id)
