"""Watch the runs of a cluster when no client does: why their pods died, and how they ended.

    fairlead recorder render --on CONTEXT [--everywhere] [--end-unschedulable] [--nodes] [--replicas N] [-o yaml|json]
    fairlead recorder run --on CONTEXT [--everywhere] [--end-unschedulable] [--nodes]

`render` prints what a cluster needs to run one, for `kubectl apply -f -`. `run` is one, in this process; what is
rendered calls it so.
"""

from __future__ import annotations

import argparse
import sys

from fairlead.cli.output import print_document
from fairlead.errors import UsageError
from fairlead.specs.contexts import LOCAL


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("action", choices=("render", "run"), help="what to do")
    parser.add_argument("--everywhere", action="store_true", help="watch all namespaces, not the context's alone")
    parser.add_argument(
        "--end-unschedulable", action="store_true", help="end steps that can't be scheduled, as their runs ask"
    )
    parser.add_argument(
        "--nodes", action="store_true", help="read nodes and queues, and say why steps wait to those who may not"
    )
    parser.add_argument("--replicas", type=int, default=1, metavar="N", help="render: how many there are")
    parser.add_argument("--namespace", default="", metavar="NAME", help="run: watch this namespace")
    parser.add_argument("--store", metavar="URL", help="run: the artifact store, where it is not the context's")
    parser.add_argument(
        "--port", type=int, metavar="PORT", help="run: say at http://…:PORT/healthz whether all is well"
    )
    parser.add_argument(
        "-o", "--output", choices=("yaml", "json"), default="yaml", help="render: the form of the output"
    )


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    from fairlead.runs.recording import Recording, record, render  # lazy: urllib3, 30 ms
    from fairlead.runs.settings import chosen_context

    on = chosen_context()
    if arguments.action == "run":
        recording = Recording(
            on=on,
            store=arguments.store,
            namespace=arguments.namespace,
            everywhere=arguments.everywhere,
            ends=arguments.end_unschedulable,
            nodes=arguments.nodes,
            port=arguments.port,
        )
        record(recording, lambda message: print(message, file=sys.stderr, flush=True))
        return 0
    if on == LOCAL:
        raise UsageError(
            "fairlead recorder render needs to be told for which cluster",
            why="no context is chosen",
            next="fairlead recorder render --on CONTEXT",
        )
    manifests = render(
        on,
        everywhere=arguments.everywhere,
        ends=arguments.end_unschedulable,
        nodes=arguments.nodes,
        replicas=arguments.replicas,
    )
    for position, manifest in enumerate(manifests):
        if position and arguments.output == "yaml":
            print("---")
        print_document(manifest, arguments.output)
    return 0
