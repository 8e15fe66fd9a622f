"""Publish a flow: put its code, graph and parameters into the store of a cluster, for runs that nobody launches.

    fairlead publish FILE[:FLOW] --on CONTEXT [--NAME VALUE …]
    fairlead publish --list
    fairlead publish --remove FLOW/DIGEST

What `fairlead render --as` prints launches what is published here; `fairlead schedule add` publishes by itself. What is
published stays until it is removed, whatever `fairlead store gc` removes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fairlead.cli.flags import split_flags, split_target
from fairlead.errors import UsageError
from fairlead.specs.contexts import LOCAL

_VALUED = {"--on", "--remove"}
_SWITCHES = {"--list", "--help", "-h"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.usage = "fairlead publish [FILE[:FLOW] | --list | --remove FLOW/DIGEST] --on CONTEXT [--NAME VALUE …]"
    parser.add_argument("file", nargs="?", metavar="FILE[:FLOW]", help="the file, and the flow where it has several")
    parser.add_argument("--on", metavar="CONTEXT", help="for which cluster; the chosen context where it is not given")
    parser.add_argument("--list", action="store_true", help="list what is published")
    parser.add_argument("--remove", metavar="FLOW/DIGEST", help="remove it; the beginning of the digest will do")


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Tell the options of ``publish`` and the parameters of the flow apart."""
    own, flags = split_flags(arguments, valued=_VALUED, switches=_SWITCHES, verb="publish")
    found = parser.parse_args(own)
    found.flags = flags
    return found


def run(arguments: argparse.Namespace) -> int:
    """Publish the flow."""
    from fairlead.runs import publishing
    from fairlead.runs.launching import load_flow
    from fairlead.runs.settings import chosen_context, open_store
    from fairlead.store.publishing import list_published

    on = chosen_context()
    if on == LOCAL:
        raise UsageError(
            "on this machine nobody launches what is published",
            next="name a cluster: --on CONTEXT   or run it: fairlead run FILE",
        )
    if arguments.list:
        print("".join(f"{each}\n" for each in list_published(open_store().backend)), end="")
    elif arguments.remove:
        print(f"removed {publishing.unpublish(arguments.remove, open_store())}; its runs are kept")
    elif arguments.file is None:
        raise UsageError("fairlead publish needs a FILE", next="fairlead publish FILE --on CONTEXT")
    else:
        project, flow = load_flow(*split_target(arguments.file))
        traced = flow.trace(flow.read_flags(arguments.flags))
        done = publishing.publish(project, traced, open_store())
        for note in done.notes:
            print(note, file=sys.stderr)
        print(done.publication)
    return 0
