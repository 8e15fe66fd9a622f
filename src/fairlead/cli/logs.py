"""Print what steps have written, byte for byte.

    fairlead logs RUN[/STEP[/INDEX[/RANK]]] [-f] [--attempt N] [--grep PATTERN] [--tail N] [-o json|yaml]

One log is printed as it is; of several, each line follows its step, index and rank. Notes go to standard
error. With -f new output, attempts and steps are printed as they come, until the run has ended. With -o json
each line is an object in one list, in which bytes that are no UTF-8 are escaped.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from fairlead.cli.output import add_output_option
from fairlead.errors import UsageError

if TYPE_CHECKING:
    from fairlead.cli.log_writers import Plain
    from fairlead.runs.finding import Target
    from fairlead.runs.logs import Selection
    from fairlead.store.opened import Store


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("target", metavar="RUN[/STEP[/INDEX[/RANK]]]", help="a run, or one step, item or rank of it")
    parser.add_argument("-f", "--follow", action="store_true", help="go on printing until the run has ended")
    parser.add_argument("--attempt", type=int, metavar="N", help="only the attempt of this number, from 1")
    parser.add_argument("--grep", metavar="PATTERN", help="only lines in which this regular expression is found")
    parser.add_argument(
        "--tail", type=int, metavar="N", help="begin at the last N lines of each log; --grep selects among them"
    )
    add_output_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the logs."""
    from fairlead.runs.finding import find_target
    from fairlead.runs.logs import select
    from fairlead.runs.reporting import is_driven
    from fairlead.runs.settings import chosen_context, open_store
    from fairlead.specs.contexts import LOCAL

    _refuse_negative(arguments)
    store = open_store()
    target = find_target(store.backend, arguments.target)
    found = select(store, target, arguments.attempt, required=not arguments.follow)
    writer = _writer(arguments, found, single=target.index is not None)
    for note in found.notes:
        _say(note)
    if arguments.follow and chosen_context() != LOCAL and is_driven(store.backend, target.run):
        from fairlead.runs.tapping import tapped  # lazy: urllib3, 30 ms; only for runs on a cluster

        with tapped(store, chosen_context(), target.run):
            _follow(store, target, found, writer, arguments)
    elif arguments.follow:
        _follow(store, target, found, writer, arguments)
    else:
        _print(found, writer, arguments.tail)
    return 0


def _writer(arguments: argparse.Namespace, found: Selection, *, single: bool) -> Plain:
    """Return the writer that fits; what is followed may become several logs, unless it is of one item."""
    from fairlead.cli.log_writers import Documents, Plain, Prefixed
    from fairlead.runs.lines import line_pattern

    pattern = line_pattern(arguments.grep) if arguments.grep is not None else None
    out = sys.stdout.buffer
    if arguments.output != "table":
        return Documents(out, arguments.output, pattern)
    if len(found.logs) <= 1 and (single or not arguments.follow):
        return Plain(out, pattern)
    return Prefixed(out, pattern)


def _print(found: Selection, writer: Plain, tail: int | None) -> None:
    for log in found.logs:
        for block in log.blocks(0 if tail is None else log.tail(tail)):
            writer.write(log, block)
        writer.end(log)
    writer.close()


def _follow(store: Store, target: Target, found: Selection, writer: Plain, arguments: argparse.Namespace) -> None:
    from fairlead.runs.following import follow
    from fairlead.runs.reporting import read_report

    starts = {log.task: 0 if arguments.tail is None else log.tail(arguments.tail) for log in found.logs}
    logs = {log.task: log for log in found.logs}
    for log, block in follow(store, target, starts, attempt=arguments.attempt):
        logs[log.task] = log
        writer.write(log, block)
        sys.stdout.buffer.flush()
    for log in logs.values():
        writer.end(log)
    writer.close()
    document = read_report(store.backend, target.run)
    _say(f"run {target.run} {document.status}" + (f": {document.reason}" if document.reason else ""))


def _refuse_negative(arguments: argparse.Namespace) -> None:
    if arguments.attempt is not None and arguments.attempt < 1:
        raise UsageError(f"--attempt counts from 1, got {arguments.attempt}")
    if arguments.tail is not None and arguments.tail < 0:
        raise UsageError(f"--tail takes a number of lines from 0, got {arguments.tail}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
