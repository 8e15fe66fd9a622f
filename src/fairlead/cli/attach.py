"""Follow what the pod of a running step writes, from now on, as it writes it.

    fairlead attach RUN/STEP[/INDEX[/RANK]] [--rank N] [--container NAME]

Ctrl-C leaves, and the step goes on. What it wrote before is in fairlead logs. When the pod ends, so does this: with
1 where the step has failed. It is for runs on a cluster.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from fairlead.cli.exec import add_place

if TYPE_CHECKING:
    from fairlead.runs.inside import Spot


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    add_place(parser)


def run(arguments: argparse.Namespace) -> int:
    """Follow the pod."""
    from fairlead.cli.sessions import pass_on
    from fairlead.kube import executing
    from fairlead.runs.inside import locate

    spot = locate(arguments.target, verb="attach", rank=arguments.rank, container=arguments.container)
    say(f"attached to {spot.title}; Ctrl-C leaves, and the step goes on")
    try:
        with executing.attach(spot.client, spot.pod, namespace=spot.namespace, container=spot.container) as opened:
            pass_on(opened)
    except KeyboardInterrupt:
        say(f"left; the step goes on. All that it wrote: fairlead logs {spot.title}")
        return 130
    return tell_end(spot)


def tell_end(spot: Spot) -> int:
    """Say how the step of a pod that has ended is doing; returns the exit code: 1 where it has failed."""
    from fairlead.runs.inside import ended_as

    step = ended_as(spot)
    again = f", and is {step.status} again" if step.status not in ("succeeded", "failed", "cancelled") else ""
    say(f"the pod of {spot.title} has ended" + (again or f": {step.status}"))
    return int(step.status == "failed")


def say(line: str) -> None:
    """Say something that is no data."""
    print(line, file=sys.stderr, flush=True)
