"""Have ports of this machine lead to ports of the pod of a running step: a dashboard, a debugger, a server.

    fairlead port-forward RUN/STEP[/INDEX[/RANK]] [LOCAL:]REMOTE … [--rank N]

Listens on 127.0.0.1 alone, and prints a line for each port; 0:REMOTE takes any port that is free. Connections come
and go as they like. Ctrl-C ends it, with 0; so does the end of the pod, with 1 where the step has failed. It is for
runs on a cluster.
"""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument(
        "target", metavar="RUN/STEP[/INDEX[/RANK]]", help="a running step; an index where several instances run"
    )
    parser.add_argument(
        "ports", nargs="+", metavar="[LOCAL:]REMOTE", help="a port of the pod, and this machine's where it is another"
    )
    parser.add_argument("--rank", type=int, metavar="N", help="the rank, of a step that has ranks; 0 otherwise")


def run(arguments: argparse.Namespace) -> int:
    """Forward until the pod has ended."""
    from fairlead.cli.attach import say, tell_end
    from fairlead.runs.forwarding import Forwarding, read_ports
    from fairlead.runs.inside import is_there, locate

    ports = read_ports(arguments.ports)
    spot = locate(arguments.target, verb="port-forward", rank=arguments.rank)
    with Forwarding(spot.reach, lambda: is_there(spot), ports, say) as forwarding:
        for local, remote in forwarding.ports:
            print(f"127.0.0.1:{local} -> {spot.title}:{remote}", flush=True)
        try:
            forwarding.serve()
        except KeyboardInterrupt:
            return 0
    return tell_end(spot)
