"""Run a flow of a file.

    fairlead run FILE[:FLOW] [--NAME VALUE …]

What is no option below is a parameter of the flow. Prints the run's table when it ends; with -o json only
its document. A file of YAML or JSON is a graph, as a spec.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairlead.cli.display import finish
from fairlead.cli.flags import split_flags, split_target
from fairlead.cli.labels import read_labels
from fairlead.cli.opening import add_cluster_options, open_display, read_cluster_options
from fairlead.cli.output import add_output_option
from fairlead.errors import UsageError
from fairlead.specs.contexts import LOCAL

if TYPE_CHECKING:
    from fairlead.runs.options import Options

VALUED = {"--on", "--parallel", "--label", "--output", "-o", "--store", "--unschedulable", "--target"}
SWITCHES = {"--inline", "--no-cache", "--relax", "--detach", "--quiet", "-q", "--help", "-h"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.usage = "fairlead run FILE[:FLOW] [options] [--NAME VALUE …]"
    parser.add_argument(
        "file",
        metavar="FILE[:FLOW]",
        help="the Python file, and the flow where it has several, or a step or sweep",
    )
    parser.add_argument("--parallel", type=int, metavar="N", help="run at most N steps at once")
    add_run_options(parser)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Give a verb the options by which it launches a run."""
    parser.add_argument("--on", metavar="CONTEXT", help="where to run; the chosen context where it is not given")
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="label the run; may be repeated"
    )
    parser.add_argument("--no-cache", action="store_true", help="execute every step, whatever the cache has")
    parser.add_argument(
        "--relax", action="store_true", help="run steps that ask for more than this machine has on what it has"
    )
    parser.add_argument(
        "--inline", action="store_true", help="run steps in this process, one after another, for a debugger"
    )
    parser.add_argument("--detach", action="store_true", help="return as soon as the run is submitted to a cluster")
    add_cluster_options(parser)
    parser.add_argument("--store", metavar="URL", help="the artifact store, where it is not the configured one")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    add_output_option(parser)


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Tell the options of ``run`` and the parameters of the flow apart."""
    own, flags = split_flags(arguments, valued=VALUED, switches=SWITCHES, verb="run")
    found = parser.parse_args(own)
    found.flags = flags
    return found


def run(arguments: argparse.Namespace) -> int:
    """Run the flow."""
    from fairlead.runs.launching import launch, launch_traced, load_flow, load_graph
    from fairlead.runs.settings import chosen_context

    options = read_options(arguments, chosen_context())
    file, name = split_target(arguments.file)
    display = open_display(quiet=arguments.quiet, form=arguments.output)
    with display:
        if file.endswith((".yaml", ".yml", ".json")):
            if arguments.flags:
                raise UsageError(
                    f"{file} takes no --{next(iter(arguments.flags))}", why="a spec has its parameters in it"
                )
            done = launch_traced(*load_graph(file), options, display)
        else:
            project, flow = load_flow(file, name)
            done = launch(project, flow, flow.read_flags(arguments.flags), options, display)
    return finish(done, arguments.output)


def read_options(arguments: argparse.Namespace, on: str) -> Options:
    """Return how the run is to be driven.

    Raises:
        UsageError: Something is asked for that a run on this machine can't have.
    """
    from fairlead.runs.options import Options

    if arguments.detach and on == LOCAL:
        raise UsageError(
            "--detach needs a cluster",
            why="a local run ends with the process that drives it",
            next="leave --detach away, or name a cluster: --on CONTEXT",
        )
    return Options(
        parallel=arguments.parallel,
        relaxed=arguments.relax,
        use_cache=not arguments.no_cache,
        inline=arguments.inline,
        labels=read_labels(arguments.label),
        on=on,
        detach=arguments.detach,
        store=arguments.store,
        **read_cluster_options(arguments, on, is_new=True)._asdict(),
    )
