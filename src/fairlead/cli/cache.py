"""Explain why a step was found in the cache, or was executed.

    fairlead cache explain RUN/STEP[/INDEX]

The parts of the step's cache key are compared with those of the newest earlier run of the flow that has a
result of the step. Without INDEX all instances of the step are explained.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fairlead.cli.output import add_output_option, print_document, print_table
from fairlead.errors import UsageError

if TYPE_CHECKING:
    from fairlead.runs.explaining import Difference, Explanation, InstanceExplanation


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("action", choices=("explain",), help="what to do")
    parser.add_argument("step", metavar="RUN/STEP[/INDEX]", help="the step; RUN may be 'latest'")
    add_output_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation."""
    from fairlead.runs.explaining import explain
    from fairlead.runs.finding import find_target
    from fairlead.runs.settings import open_store

    store = open_store()
    target = find_target(store.backend, arguments.step)
    if target.step is None or target.rank is not None:
        raise UsageError(f"{arguments.step!r} names no step", next="fairlead cache explain RUN/STEP[/INDEX]")
    found = explain(store, target.run, target.step, target.index)
    if arguments.output != "table":
        print_document(found, arguments.output)
    else:
        _print(found)
    return 0


def _print(found: Explanation) -> None:
    counts = ", ".join(f"{count} {cause}" for cause, count in found.counts.items())
    print(f"run {found.run}   step {found.step}   {counts}")
    for group in _alike(found.instances):
        print()
        _print_group(found, group)
    if found.equal_values:
        print(f"\n{found.equal_values} inputs have other bytes than before, although their values are equal.")
        print("Their steps return values without a stable form, such as sets: return sorted lists, arrays or tables.")
    if found.unstable:
        print(f"\n{found.unstable} attempts gave other bytes than an earlier execution with the same key:")
        print("the step is random, reads what is no input, or returns values without a stable form.")


def _alike(instances: tuple[InstanceExplanation, ...]) -> list[list[InstanceExplanation]]:
    """Put together what was executed, or found, for the same reason."""
    groups: dict[object, list[InstanceExplanation]] = {}
    for each in instances:
        parts = tuple((change.part, change.values) for change in each.differences)
        groups.setdefault((each.cause, each.status, parts), []).append(each)
    return list(groups.values())


def _print_group(found: Explanation, group: list[InstanceExplanation]) -> None:
    first = group[0]
    others = f" and {len(group) - 1} more alike" if len(group) > 1 else ""
    word = "cached" if first.cached else first.status
    print(f"{first.step}/{first.index}{others}: {word}; {first.reason}")
    for digest in first.unstable:
        print(f"  gave other bytes than an earlier execution with the same key: {digest[:8]} before")
    if first.differences:
        print_table(("  DIFFERS", "BEFORE", "NOW", "FROM"), [_row(each) for each in first.differences])
    for origin in dict.fromkeys(each.origin for each in first.differences if each.origin.startswith("step ")):
        print(f"  next   fairlead cache explain {found.run}/{origin.removeprefix('step ').partition(',')[0]}")


def _row(change: Difference) -> tuple[str, str, str, str]:
    notes = {"equal": "the values are equal", "unknown": "the values were not compared"}
    note = notes.get(change.values or "", "")
    return f"  {change.what}", change.before or "-", change.after or "-", ", ".join(filter(None, (change.origin, note)))
