"""Print what a flow compiles to, without running it.

    fairlead render FILE[:FLOW] --spec [--NAME VALUE …] [-o yaml|json]

The spec can be run in its turn: fairlead run SPEC.yaml
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fairlead.cli.flags import split_flags, split_target
from fairlead.cli.output import print_document
from fairlead.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.usage = "fairlead render FILE[:FLOW] --spec [--NAME VALUE …]"
    parser.add_argument("file", metavar="FILE[:FLOW]", help="the Python file, and the flow where it has several")
    parser.add_argument("--spec", action="store_true", help="print the graph as a spec")
    parser.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml", help="the form of the output")


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Tell the options of ``render`` and the parameters of the flow apart."""
    own, flags = split_flags(arguments, valued={"--output", "-o"}, switches={"--spec", "--help", "-h"}, verb="render")
    found = parser.parse_args(own)
    found.flags = flags
    return found


def run(arguments: argparse.Namespace) -> int:
    """Print the spec."""
    from fairlead.runs.launching import load_flow

    if not arguments.spec:
        raise UsageError(
            "fairlead render needs to be told what to print", next=f"fairlead render {arguments.file} --spec"
        )
    _, flow = load_flow(*split_target(arguments.file))
    print_document(flow.trace(flow.read_flags(arguments.flags)).graph, arguments.output)
    return 0
