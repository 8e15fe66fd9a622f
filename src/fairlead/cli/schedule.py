"""Have a cluster run flows by itself, at times.

    fairlead schedule add FILE[:FLOW] --cron '0 3 * * *' [--timezone ZONE] … [--NAME VALUE …] --on CONTEXT
    fairlead schedule ls
    fairlead schedule run NAME
    fairlead schedule suspend NAME
    fairlead schedule resume NAME
    fairlead schedule rm NAME

`add` publishes the flow as it is now, with these parameters, and applies a WorkflowTemplate and a CronWorkflow; done
again, it changes them in place. `run` launches a run now. Its runs carry the label fairlead.dev/schedule=NAME.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fairlead.cli import schedule_options
from fairlead.cli.flags import split_flags, split_target
from fairlead.cli.labels import read_labels
from fairlead.cli.output import add_output_option, print_document, print_table
from fairlead.errors import UsageError
from fairlead.specs.contexts import LOCAL

_VALUED = {"--on", "--label", "--output", "-o", *schedule_options.VALUED}
_SWITCHES = {"--help", "-h", *schedule_options.SWITCHES}


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.usage = "fairlead schedule ACTION [FILE[:FLOW] | NAME] --on CONTEXT [options] [--NAME VALUE …]"
    parser.add_argument("action", choices=("add", "ls", "run", "suspend", "resume", "rm"), help="what to do")
    parser.add_argument("target", nargs="?", metavar="FILE|NAME", help="add: the Python file; else the schedule's name")
    parser.add_argument("--on", metavar="CONTEXT", help="in which cluster; the chosen context where it is not given")
    schedule_options.add_schedule_options(parser)
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="label the runs; may be repeated"
    )
    add_output_option(parser)


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Tell the options of ``schedule`` and the parameters of the flow apart."""
    own, flags = split_flags(arguments, valued=_VALUED, switches=_SWITCHES, verb="schedule")
    found = parser.parse_args(own)
    found.flags = flags
    return found


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    from fairlead.runs.settings import chosen_context

    on, action = chosen_context(), arguments.action
    if on == LOCAL:
        raise UsageError(
            "this machine keeps no schedules",
            why="nothing of Fairlead runs here between two commands",
            next="name a cluster: --on CONTEXT   or have cron do it: fairlead run FILE",
        )
    if arguments.target is None and action != "ls":
        what = "FILE" if action == "add" else "NAME"
        raise UsageError(f"fairlead schedule {action} needs a {what}", next=f"fairlead schedule {action} {what}")
    if action != "add" and arguments.flags:
        raise UsageError(f"fairlead schedule {action} has no option --{next(iter(arguments.flags))}")
    if action == "add":
        return _add(arguments, on)
    if action == "ls":
        return _list(arguments.output, on)
    return _change(action, arguments.target, on)


def _add(arguments: argparse.Namespace, on: str) -> int:
    from fairlead.runs import clusters, scheduling
    from fairlead.runs.launching import load_flow
    from fairlead.runs.publishing import publish

    project, flow = load_flow(*split_target(arguments.target))
    traced = flow.trace(flow.read_flags(arguments.flags))
    name = arguments.name or scheduling.default_name(traced.graph.flow)
    schedule = schedule_options.read_schedule(arguments, name)
    declared = scheduling.Declared(name, read_labels(arguments.label), not arguments.no_cache, schedule)
    scheduling.check(traced.graph, on, declared)
    place = clusters.open_place(on)
    done = publish(project, traced, place.store)
    for note in done.notes:
        print(note, file=sys.stderr)
    scheduling.apply(place, scheduling.declare(done.publication, traced.graph, on, declared))
    print(f"schedule {name}: {schedule.cron} {schedule.timezone}; now: fairlead schedule run {name} --on {on}")
    return 0


def _list(form: str, on: str) -> int:
    from fairlead.runs import clusters, scheduling

    found = scheduling.listed(clusters.open_place(on))
    if form != "table":
        print_document(found, form)
        return 0
    rows = [
        [
            each.name,
            each.flow,
            each.cron,
            each.timezone,
            "at fault" if each.fault else "suspended" if each.suspended else "active",
            str(each.active),
            each.last or "",
            each.published[:12],
        ]
        for each in found
    ]
    print_table(["schedule", "flow", "when", "zone", "state", "running", "last start", "published"], rows)
    for each in found:
        if each.fault:
            print(f"{each.name}: {each.fault}", file=sys.stderr)
    return 0


def _change(action: str, name: str, on: str) -> int:
    from fairlead.runs import clusters, scheduling

    place = clusters.open_place(on)
    if action == "run":
        run = scheduling.start(place, name)
        print(f"launching run {run}: fairlead logs {run} -f --on {on}")
    elif action == "rm":
        scheduling.remove(place, name)
        print(f"removed schedule {name}; its runs go on, and are kept")
    else:
        scheduling.suspend(place, name, suspended=action == "suspend")
        print(f"schedule {name} is {'suspended' if action == 'suspend' else 'active'}")
    return 0
