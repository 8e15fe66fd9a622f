"""Go on with a run that has not succeeded. What has succeeded in it is not executed again.

fairlead resume RUN [--with-current-code]
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
    parser.add_argument(
        "--with-current-code",
        action="store_true",
        help="use the project's files as they are now, not as recorded; steps whose cache key changed run again",
    )
    parser.add_argument("--detach", action="store_true", help="return as soon as a cluster has the run")
    add_cluster_options(parser)
    add_driving_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Resume the run."""
    from fairlead.runs.finding import find_run
    from fairlead.runs.launching import resume, traced_from_file
    from fairlead.runs.options import Options
    from fairlead.runs.settings import chosen_context, open_store

    on = chosen_context()
    given = read_cluster_options(arguments, on)
    run_id = find_run(open_store().backend, arguments.run)
    with open_display(quiet=arguments.quiet, form=arguments.output) as display:
        options = Options(
            parallel=arguments.parallel,
            relaxed=arguments.relax,
            on=on,
            detach=arguments.detach,
            **given._asdict(),
        )
        current = traced_from_file if arguments.with_current_code else None
        done = resume(run_id, options, display, current=current)
    return finish(done, arguments.output)
