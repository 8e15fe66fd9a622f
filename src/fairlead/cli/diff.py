"""Compare two runs: what differs, the likeliest explanation of a changed metric first.

    fairlead diff RUN RUN

Compared are metrics, parameters, code, inputs, environment, and how each step ended and how long it took.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fairlead.cli.output import add_output_option, print_document, print_table
from fairlead.quantities import human_duration

if TYPE_CHECKING:
    from fairlead.runs.comparing import Change, MetricChange, RunDifference, RunOutline, StepChange

_ROWS_MAX = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("before", metavar="RUN", help="the run to compare with")
    parser.add_argument("after", metavar="RUN", help="the run that is compared with it, such as 'latest'")
    add_output_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison."""
    from fairlead.runs.comparing import compare_runs
    from fairlead.runs.finding import find_run
    from fairlead.runs.settings import open_store

    store = open_store()
    before, after = find_run(store.backend, arguments.before), find_run(store.backend, arguments.after)
    found = compare_runs(store, before, after)
    if arguments.output != "table":
        print_document(found, arguments.output)
    else:
        _print(found)
    return 0


def _print(found: RunDifference) -> None:
    print(_head("before", found.before))
    print(_head("after", found.after))
    _print_causes(found)
    _section(
        "metrics", ("STEP", "METRIC", "BEFORE", "AFTER", "DIFFERENCE"), [_metric_row(each) for each in found.metrics]
    )
    parameters = [(each.what, _text(each.before), _text(each.after)) for each in found.parameters]
    _section("parameters", ("PARAMETER", "BEFORE", "AFTER"), parameters)
    for name, changes in (("code", found.code), ("inputs", found.inputs), ("environment", found.environment)):
        _section(name, ("STEP", "WHAT", "BEFORE", "AFTER"), [_row(each) for each in changes])
    _section("steps", ("STEP", "BEFORE", "", "AFTER", ""), [_step_row(each) for each in _most_changed_first(found)])


def _head(word: str, outline: RunOutline) -> str:
    took = f"   {human_duration(outline.duration_s)}" if outline.duration_s is not None else ""
    return f"{word:<6} run {outline.run}   flow {outline.flow}   {outline.status}{took}"


def _print_causes(found: RunDifference) -> None:
    if not found.metrics and not found.causes:
        print("\nnothing that is recorded differs")
        return
    print(
        "\n"
        + ("likeliest explanation of the changed metrics first" if found.metrics else "no metric differs; what does:")
    )
    for number, cause in enumerate(found.causes[:_ROWS_MAX], 1):
        print(f"  {number}. {cause.text}")


def _section(name: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table under its name, unless it is empty."""
    if not rows:
        return
    more = f" ({len(rows)}, the first {_ROWS_MAX})" if len(rows) > _ROWS_MAX else ""
    print(f"\n{name}{more}")
    print_table([f"  {head[0]}", *head[1:]], [[f"  {row[0]}", *row[1:]] for row in rows[:_ROWS_MAX]])


def _metric_row(each: MetricChange) -> tuple[str, ...]:
    return each.step, each.name, _number(each.before), _number(each.after), _signed(each.difference)


def _row(change: Change) -> tuple[str, str, str, str]:
    return change.step, change.what, _text(change.before), _text(change.after)


def _most_changed_first(found: RunDifference) -> list[StepChange]:
    """Order steps by how much longer or shorter they took, those that ended otherwise before all."""

    def weight(each: StepChange) -> tuple[bool, float]:
        return each.status_before == each.status_after, -abs((each.after_s or 0) - (each.before_s or 0))

    return sorted(found.steps, key=weight)


def _step_row(each: StepChange) -> tuple[str, ...]:
    before, after = ("cached" if cached else status or "-" for cached, status in (
        (each.cached_before, each.status_before), (each.cached_after, each.status_after)
    ))  # fmt: skip
    return each.step, before, _duration(each.before_s), after, _duration(each.after_s)


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else human_duration(seconds)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.4g}"


def _text(value: Any) -> str:
    return "-" if value is None else str(value)
