"""Run again what a run did: the same flow, parameters and recorded code, as a new run.

    fairlead rerun RUN [--no-cache]

What is in the cache is not executed again unless --no-cache is given.
"""

from __future__ import annotations

import argparse

from fairlead.cli.display import finish
from fairlead.cli.opening import add_driving_options, open_display


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("run", metavar="RUN", help="the run's id, a unique part of it, or 'latest'")
    parser.add_argument("--no-cache", action="store_true", help="execute every step, whatever the cache has")
    add_driving_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run again."""
    from fairlead.runs.finding import find_run
    from fairlead.runs.launching import rerun
    from fairlead.runs.options import Options
    from fairlead.runs.settings import chosen_context, open_store

    run_id = find_run(open_store().backend, arguments.run)
    options = Options(
        parallel=arguments.parallel,
        relaxed=arguments.relax,
        use_cache=not arguments.no_cache,
        on=chosen_context(),
    )
    with open_display(quiet=arguments.quiet, form=arguments.output) as display:
        done = rerun(run_id, options, display)
    return finish(done, arguments.output)
