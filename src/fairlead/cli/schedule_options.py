"""The options that say when a flow runs by itself."""

from __future__ import annotations

import argparse

from fairlead.errors import UsageError
from fairlead.quantities import parse_duration
from fairlead.specs.schedules import Schedule

VALUED = {"--cron", "--timezone", "--concurrency", "--deadline", "--keep", "--keep-failed", "--name"}
SWITCHES = {"--suspended", "--no-cache"}


def add_schedule_options(parser: argparse.ArgumentParser) -> None:
    """Give a verb the options."""
    parser.add_argument("--cron", metavar="EXPRESSION", help="when: '0 3 * * *', @daily, '@every 6h'")
    parser.add_argument("--timezone", metavar="ZONE", default="UTC", help="of the expression: Europe/Berlin; else UTC")
    parser.add_argument(
        "--concurrency",
        choices=("allow", "forbid", "replace"),
        default="allow",
        help="what becomes of a start while an earlier one's run goes on: both run, it is left out, the earlier ends",
    )
    parser.add_argument(
        "--deadline", metavar="TIME", help="how late a start may be that the cluster missed: 1h; else it is left out"
    )
    parser.add_argument("--suspended", action="store_true", help="start nothing yet")
    parser.add_argument("--keep", type=int, metavar="N", help="launches kept in the cluster that succeeded; else 3")
    parser.add_argument("--keep-failed", type=int, metavar="N", help="launches kept that did not; else 1")
    parser.add_argument("--name", help="the schedule's name; the flow's where it is not given")
    parser.add_argument("--no-cache", action="store_true", help="runs execute every step, whatever the cache has")


def read_schedule(arguments: argparse.Namespace, name: str) -> Schedule:
    """Read the options.

    Raises:
        UsageError: The expression is missing, or the deadline is no time.
    """
    if arguments.cron is None:
        raise UsageError("it is not said when", why="a schedule needs --cron", next="--cron '0 3 * * *'")
    return Schedule(
        name=name,
        cron=arguments.cron,
        timezone=arguments.timezone,
        concurrency=arguments.concurrency,
        deadline_s=None if arguments.deadline is None else _seconds(arguments.deadline),
        suspended=arguments.suspended,
        kept=arguments.keep,
        kept_failed=arguments.keep_failed,
    )


def _seconds(text: str) -> int:
    try:
        return round(parse_duration(text))
    except ValueError as error:
        raise UsageError("--deadline takes a time", why=str(error), next="--deadline 1h") from error
