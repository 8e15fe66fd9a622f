"""Remove runs: their records, logs and checkpoints, and their objects in clusters.

    fairlead rm RUN … [--keep-objects]
    fairlead rm --before DATE [--yes] [--keep-objects]

What a run has left in a cluster goes too: its workflows with their pods, jobs and Services. Where the cluster can't
be reached or refuses, the run stays as it is. The values that steps returned stay until fairlead store gc. A run that
is running is never removed.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from fairlead.errors import UsageError

if TYPE_CHECKING:
    from fairlead.runs.removing import Removable
    from fairlead.store.opened import Store


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("runs", nargs="*", metavar="RUN", help="a run's id, a unique part of it, or 'latest'")
    parser.add_argument(
        "--before", metavar="DATE", help="all runs started before: 30d ago, or a date such as 2026-11-23"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask; with --before")
    parser.add_argument(
        "--keep-objects",
        action="store_true",
        help="leave what is in clusters, and do not ask them: one is gone for good",
    )


def run(arguments: argparse.Namespace) -> int:
    """Remove the runs."""
    from fairlead.runs.finding import find_run
    from fairlead.runs.removing import removable, remove
    from fairlead.runs.settings import open_store

    if bool(arguments.runs) == (arguments.before is not None):
        raise UsageError(
            "fairlead rm takes runs, or --before DATE", next="fairlead rm RUN   or   fairlead rm --before 30d"
        )
    store = open_store()
    if arguments.before is None:
        chosen = removable(store, [find_run(store.backend, each) for each in arguments.runs])
    else:
        chosen = _chosen_before(store, arguments.before)
        if chosen and not arguments.yes and not _confirmed(chosen):
            print("nothing was removed")
            return 0
    for each in chosen:
        objects = remove(store, each, keep_objects=arguments.keep_objects)
        said = f", and {objects} workflow{'s' if objects > 1 else ''} with it" if objects else ""
        print(f"removed {each.run}" + (f" of {each.flow}" if each.flow else "") + said)
    if chosen:
        print("their values stay until: fairlead store gc", file=sys.stderr)
    return 0


def _chosen_before(store: Store, text: str) -> list[Removable]:
    from fairlead.naming import format_time, utc_now
    from fairlead.runs.removing import runs_before
    from fairlead.runs.times import parse_moment

    moment = parse_moment(text, utc_now(), option="--before")
    idle, driven = runs_before(store, moment)
    for run_id in driven:
        print(f"{run_id} is running, and stays", file=sys.stderr)
    if not idle:
        print(f"no run was started before {format_time(moment)}", file=sys.stderr)
    return idle


def _confirmed(chosen: list[Removable]) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            f"would remove {len(chosen)} runs, {chosen[0].run} to {chosen[-1].run}",
            why="it asks before it does, and there is nobody to ask",
            next="add --yes",
        )
    answer = input(f"remove {len(chosen)} runs, {chosen[0].run} to {chosen[-1].run}? [y/N] ")
    return answer.strip().lower() in ("y", "yes")
