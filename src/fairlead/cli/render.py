"""Print what a flow compiles to, without running it.

    fairlead render FILE[:FLOW] --on CONTEXT [--label KEY=VALUE] [-o yaml|json] [--NAME VALUE …]
    fairlead render FILE[:FLOW] --spec [-o yaml|json] [--NAME VALUE …]

With a context: the objects that `fairlead run` would create there, whose run id and times are zeros. Nothing is
created, and the cluster need not be reachable. With --spec: the graph, which can be run in its turn:
fairlead run SPEC.yaml
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fairlead.cli.flags import split_flags, split_target
from fairlead.cli.labels import read_labels
from fairlead.cli.output import print_document
from fairlead.errors import UsageError
from fairlead.specs.contexts import LOCAL

_VALUED = {"--on", "--label", "--output", "-o"}
_SWITCHES = {"--spec", "--help", "-h"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.usage = "fairlead render FILE[:FLOW] [--on CONTEXT | --spec] [--NAME VALUE …]"
    parser.add_argument("file", metavar="FILE[:FLOW]", help="the Python file, and the flow where it has several")
    parser.add_argument("--on", metavar="CONTEXT", help="for which cluster; the chosen context where it is not given")
    parser.add_argument("--spec", action="store_true", help="print the graph as a spec")
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="label the run; may be repeated"
    )
    parser.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml", help="the form of the output")


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Tell the options of ``render`` and the parameters of the flow apart."""
    own, flags = split_flags(arguments, valued=_VALUED, switches=_SWITCHES, verb="render")
    found = parser.parse_args(own)
    found.flags = flags
    return found


def run(arguments: argparse.Namespace) -> int:
    """Print the objects, or the spec."""
    from fairlead.runs.launching import load_flow
    from fairlead.runs.settings import chosen_context

    on = chosen_context()
    if not arguments.spec and on == LOCAL:
        raise UsageError(
            "fairlead render needs to be told what to print",
            why="no context is chosen, and on this machine a flow becomes no objects",
            next=f"fairlead render {arguments.file} --on CONTEXT   or   --spec",
        )
    _, flow = load_flow(*split_target(arguments.file))
    graph = flow.trace(flow.read_flags(arguments.flags)).graph
    if arguments.spec:
        print_document(graph, arguments.output)
        return 0
    from fairlead.runs.rendering import render  # lazy: urllib3, 30 ms; only for a cluster

    manifests, pods = render(graph, on, read_labels(arguments.label))
    print(f"# {pods}", file=sys.stderr if arguments.output == "json" else sys.stdout)
    for position, manifest in enumerate(manifests):
        if position and arguments.output == "yaml":
            print("---")
        print_document(manifest, arguments.output)
    return 0
