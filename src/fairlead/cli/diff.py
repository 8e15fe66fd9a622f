"""Compare two runs: what differs, the likeliest explanation of a changed metric first.

    fairlead diff RUN RUN

Compared are metrics, parameters, code, inputs, environment, and how each step ended and how long it took.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fairlead.cli.output import add_output_option, print_document, print_table
from fairlead.quantities import human_duration

if TYPE_CHECKING:
    from fairlead.runs.comparing import Change, MetricChange, RunDifference, RunOutline, StepChange

_ROWS_MAX = 20
_ITEMS_MAX = 12
"""Items of one step that have a row each; more are counted together."""


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
    _section("steps", ("STEP", "BEFORE", "", "AFTER", ""), _step_rows(found.steps))


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


def _step_rows(steps: Sequence[StepChange]) -> list[tuple[str, ...]]:
    """Order steps: those that ended otherwise first, then by how much longer or shorter they took; maps are one row."""
    groups: dict[str, list[StepChange]] = {}
    for each in steps:
        groups.setdefault(each.step.rpartition("/")[0], []).append(each)
    rows = [[each] for group in groups.values() if len(group) <= _ITEMS_MAX for each in group]
    rows += [group for group in groups.values() if len(group) > _ITEMS_MAX]
    return [_step_row(each) for each in sorted(rows, key=_weight)]


def _weight(group: Sequence[StepChange]) -> tuple[bool, float]:
    alike = all(each.status_before == each.status_after for each in group)
    return alike, -abs(
        (_total([each.after_s for each in group]) or 0) - (_total([each.before_s for each in group]) or 0)
    )


def _step_row(group: Sequence[StepChange]) -> tuple[str, ...]:
    first = group[0].step
    title = first if len(group) == 1 else f"{first}…{group[-1].step.rpartition('/')[2]}"
    before = Counter("cached" if each.cached_before else each.status_before or "-" for each in group)
    after = Counter("cached" if each.cached_after else each.status_after or "-" for each in group)
    times = _total([each.before_s for each in group]), _total([each.after_s for each in group])
    return title, _counted(before), _duration(times[0]), _counted(after), _duration(times[1])


def _counted(words: Counter[str]) -> str:
    return ", ".join(word if words.total() == 1 else f"{count} {word}" for word, count in words.most_common())


def _total(seconds: Sequence[float | None]) -> float | None:
    known = [each for each in seconds if each is not None]
    return sum(known) if known else None


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else human_duration(seconds)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.4g}"


def _text(value: Any) -> str:
    return "-" if value is None else str(value)
