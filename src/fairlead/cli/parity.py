"""List what of a flow can't be honoured on this machine or on a cluster, and what happens there instead.

    fairlead parity FILE[:FLOW] [--on CONTEXT] [-o json|yaml] [--NAME VALUE …]

With a context: what that one refuses too, as far as it can be told without asking the cluster. Nothing runs. The exit
code is 0 where everything is honoured everywhere, and 1 where something isn't.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fairlead.cli.flags import split_flags, split_target
from fairlead.cli.output import add_output_option, print_document, print_table

_VALUED = {"--on", "--output", "-o"}
_SWITCHES = {"--help", "-h"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.usage = "fairlead parity FILE[:FLOW] [--on CONTEXT] [--NAME VALUE …]"
    parser.add_argument(
        "file", metavar="FILE[:FLOW]", help="the Python file, and the flow where it has several, or a step of it"
    )
    parser.add_argument("--on", metavar="CONTEXT", help="the cluster; what all have in common where none is chosen")
    add_output_option(parser)


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Tell the options of ``parity`` and the parameters of the flow apart."""
    own, flags = split_flags(arguments, valued=_VALUED, switches=_SWITCHES, verb="parity")
    found = parser.parse_args(own)
    found.flags = flags
    return found


def run(arguments: argparse.Namespace) -> int:
    """Print the lines."""
    from fairlead.runs.launching import load_flow
    from fairlead.runs.parity import parity  # lazy: urllib3, 30 ms; only for this verb
    from fairlead.runs.settings import chosen_context

    _, flow = load_flow(*split_target(arguments.file))
    report = parity(flow.trace(flow.read_flags(arguments.flags)).graph, chosen_context())
    if arguments.output != "table":
        print_document(report, arguments.output)
    elif report.honoured:
        print(f"flow {report.flow} is the same everywhere")
    else:
        rows = [[each.step, each.engine, each.asks, each.instead] for each in report.lines]
        print_table(["step", "engine", "asks for", "instead"], rows, whole_last=True)
    return 0 if report.honoured else 1
