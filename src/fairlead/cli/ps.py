"""List runs, newest first: those that have not ended, and with -a all.

    fairlead ps [-a] [--flow F] [--status S] [--label K=V] [--since 2h|DATE] [--limit N] [-o json|yaml]
    fairlead ps --metric NAME [--sort [last|min|max]] [--reverse]

With --status runs of that status are listed whether they have ended or not. With --metric the runs that
logged it are compared.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from fairlead.cli.labels import read_labels
from fairlead.cli.output import add_output_option, print_document, print_table
from fairlead.errors import UsageError
from fairlead.quantities import human_duration, human_number

if TYPE_CHECKING:
    from fairlead.runs.listing import Wanted
    from fairlead.specs.reports import MetricReport, RunSummary


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("-a", "--all", action="store_true", help="runs that have ended too")
    parser.add_argument("--flow", metavar="NAME", help="only runs of this flow")
    parser.add_argument(
        "--status", action="append", default=[], metavar="STATUS", help="only runs of this status; may be repeated"
    )
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="only runs with this label; may be repeated"
    )
    parser.add_argument("--since", metavar="TIME", help="only runs started since: 2h ago, or a date such as 2026-11-23")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="the newest N; 50 where it is not given")
    parser.add_argument("--metric", metavar="NAME", help="compare the runs that logged this metric")
    parser.add_argument(
        "--sort",
        nargs="?",
        const="last",
        choices=("last", "min", "max"),
        help="with --metric: by the last, smallest or largest value",
    )
    parser.add_argument("--reverse", action="store_true", help="with --sort: the smallest first")
    add_output_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """List the runs."""
    from fairlead.naming import utc_now
    from fairlead.runs.listing import Wanted
    from fairlead.runs.times import parse_moment

    if (arguments.sort and not arguments.metric) or (arguments.reverse and not arguments.sort):
        raise UsageError(
            "--sort goes with --metric, and --reverse with --sort", next="fairlead ps --metric NAME --sort"
        )
    wanted = Wanted(
        flow=arguments.flow,
        status=tuple(arguments.status),
        labels=read_labels(arguments.label),
        since=parse_moment(arguments.since, utc_now(), option="--since") if arguments.since else None,
        limit=arguments.limit,
    )
    found = _compared(arguments, wanted) if arguments.metric else _listed(arguments, wanted)
    if arguments.output == "table" and len(found) == arguments.limit:
        _say(f"the first {arguments.limit}; more with --limit N")
    return 0


def _listed(arguments: argparse.Namespace, wanted: Wanted) -> list[Any]:
    from fairlead.runs.listing import list_runs

    found = list_runs(wanted, ended=arguments.all, late=_say_late)
    if arguments.output != "table":
        print_document(found, arguments.output)
    else:
        print_table(("RUN", "FLOW", "STATUS", "STARTED", "TIME", "PARAMS", "METRICS"), [_row(each) for each in found])
        if not found:
            _say(
                "no run fits"
                if arguments.all or wanted.status
                else "no run is under way; those that have ended: fairlead ps -a"
            )
    return found


def _compared(arguments: argparse.Namespace, wanted: Wanted) -> list[Any]:
    from fairlead.runs.listing import compare_metric

    found = compare_metric(
        arguments.metric, wanted, sort=arguments.sort, descending=not arguments.reverse, late=_say_late
    )
    if arguments.output != "table":
        print_document(found, arguments.output)
    else:
        print_table(
            ("RUN", "FLOW", "STATUS", arguments.metric.upper(), "MIN", "MAX", "STEP", "PARAMS"),
            [_metric_row(each) for each in found],
        )
        if not found:
            _say(f"no run has logged {arguments.metric!r}")
    return found


def _row(each: RunSummary) -> tuple[str, ...]:
    from fairlead.naming import format_time, utc_now
    from fairlead.runs.times import seconds_between

    now = format_time(utc_now())
    age = seconds_between(each.started, now)
    took = seconds_between(each.started, each.finished or (now if each.status == "running" else None))
    return (
        each.run,
        each.flow,
        each.status,
        "" if age is None else f"{human_duration(age)} ago",
        "" if took is None else human_duration(took),
        _pairs(each.params),
        "  ".join(f"{name} {human_number(value)}" for name, value in each.metrics.items()),
    )


def _metric_row(each: MetricReport) -> tuple[str, ...]:
    values = (human_number(value) for value in (each.last, each.min, each.max))
    return (each.run, each.flow, each.status, *values, f"{each.step}/{each.index}", _pairs(each.params))


def _pairs(params: dict[str, Any]) -> str:
    return "  ".join(f"{name}={value}" for name, value in params.items())


def _say_late() -> None:
    _say("another process is bringing the index up to date; the newest runs may be missing")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
