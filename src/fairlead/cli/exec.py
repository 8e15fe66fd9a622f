"""Run a command in the pod of a running step, or open a shell there.

    fairlead exec RUN/STEP[/INDEX[/RANK]] [--rank N] [--container NAME] [[--] COMMAND …]

The command has a terminal where this one has, and reads what is piped into this one; its exit code is passed on.
Without a command a shell is opened. The step itself is not disturbed. It is for runs on a cluster.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fairlead.cli.flags import split_command

_VALUED = {"--rank", "--container"}
SHELL = ("sh", "-c", "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi")
"""The best shell that there is."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.usage = "fairlead exec RUN/STEP[/INDEX[/RANK]] [options] [--] [COMMAND …]"
    add_place(parser)
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="what to run; a shell where it is not given")


def add_place(parser: argparse.ArgumentParser) -> None:
    """Give a verb what says which container it is about."""
    parser.add_argument(
        "target", metavar="RUN/STEP[/INDEX[/RANK]]", help="a running step; an index where several instances run"
    )
    parser.add_argument("--rank", type=int, metavar="N", help="the rank, of a step that has ranks; 0 otherwise")
    parser.add_argument("--container", default="", metavar="NAME", help="another container than the step's own, main")


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Tell the options and the command apart."""
    own, command = split_command(arguments, valued=_VALUED)
    found = parser.parse_args(own)
    found.command = command
    return found


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from fairlead.cli.sessions import run_inside
    from fairlead.cli.terminals import ending_in_order
    from fairlead.runs.inside import locate

    spot = locate(arguments.target, verb="exec", rank=arguments.rank, container=arguments.container)
    with ending_in_order():
        return run_inside(
            spot.client, spot.pod, arguments.command or SHELL, namespace=spot.namespace, container=spot.container
        )
