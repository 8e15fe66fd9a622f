"""Run again what a run did: the same flow, parameters and recorded code, as a new run.

    fairlead rerun RUN [--no-cache]

What is in the cache is not executed again unless --no-cache is given.
"""

from __future__ import annotations

import argparse

from fairlead.cli.display import finish
from fairlead.cli.opening import (
    add_cluster_options,
    add_driving_options,
    open_display,
    read_cluster_options,
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("run", metavar="RUN", help="the run's id, a unique part of it, or 'latest'")
    parser.add_argument("--no-cache", action="store_true", help="execute every step, whatever the cache has")
    parser.add_argument("--detach", action="store_true", help="return as soon as a cluster has the run")
    add_cluster_options(parser)
    add_driving_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run again."""
    from fairlead.runs.finding import find_run
    from fairlead.runs.launching import rerun
    from fairlead.runs.options import Options
    from fairlead.runs.settings import chosen_context, open_store

    on = chosen_context()
    given = read_cluster_options(arguments, on)
    run_id = find_run(open_store().backend, arguments.run)
    options = Options(
        parallel=arguments.parallel,
        relaxed=arguments.relax,
        use_cache=not arguments.no_cache,
        on=on,
        detach=arguments.detach,
        **given._asdict(),
    )
    with open_display(quiet=arguments.quiet, form=arguments.output) as display:
        done = rerun(run_id, options, display)
    return finish(done, arguments.output)
