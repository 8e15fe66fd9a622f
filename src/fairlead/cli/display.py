"""Showing a run while it runs: live on a terminal, plain lines elsewhere; and its table when it has ended."""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import redirect_stdout
from types import TracebackType
from typing import TextIO

from fairlead.cli.failures import failure_lines
from fairlead.cli.output import print_document, print_table
from fairlead.quantities import human_duration, human_number
from fairlead.runs.handles import Run
from fairlead.runs.times import seconds_between
from fairlead.specs.reports import RunReport, StepReport
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import RunSpec

_UNDER_WAY = ("pending", "running")
_LINES_MAX = 12
_INSTANCES_MAX = 20
"""Of so many instances of a step each line is shown; of the others only failures."""


class Display:
    """Follows a run with plain lines on standard error; an `Observer`."""

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        self._stream = stream
        self._quiet = quiet
        self._shown: dict[str, set[int]] = {}
        self._last = 0.0
        self.spec: RunSpec | None = None
        self.progress: Progress | None = None

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop showing."""

    def say(self, line: str) -> None:
        """Print a line."""
        if not self._quiet:
            print(line, file=self._stream, flush=True)

    def started(self, spec: RunSpec, progress: Progress) -> None:
        """Say which run this is."""
        self.spec, self.progress = spec, progress
        self.say(f"run {spec.run} of {spec.graph.flow}")

    def changed(self, instance: Instance) -> None:
        """Say that a step started or ended; of many instances of a step, a selection."""
        if instance.status == "running" and instance.running is None:
            return
        shown = self._shown.setdefault(instance.name, set())
        if len(shown) < _INSTANCES_MAX:
            shown.add(instance.index)
        if instance.index not in shown and instance.status != "failed":
            return
        self.say(step_line(instance))

    def progressed(self, instance: Instance, done: float, total: float | None) -> None:
        """Say how far a step is, once a second at most."""
        if time.monotonic() - self._last >= 1:
            self._last = time.monotonic()
            share = f"{done:g}/{total:g}" if total else f"{done:g}"
            self.say(f"  {instance.name}/{instance.index} {share}")

    def logged(self, instance: Instance, values: dict[str, float]) -> None:
        """Say what a step logged, once a second at most."""
        if time.monotonic() - self._last >= 1:
            self._last = time.monotonic()
            shown = "  ".join(f"{name} {human_number(value)}" for name, value in values.items())
            self.say(f"  {instance.name}/{instance.index} {shown}")

    def noted(self, message: str) -> None:
        """Pass a note on."""
        print(message, file=self._stream, flush=True)


def step_line(instance: Instance) -> str:
    """Write one line on an instance."""
    title = f"{instance.name}/{instance.index}"
    word = "cached" if instance.cached else instance.status
    number = max(instance.attempts, default=0)
    if instance.status == "pending" and number and instance.attempts[number].status != "succeeded":
        return f"  {title} attempt {number} failed, trying again: {instance.reason or ''}"
    return f"  {title} {word}" + (f": {instance.reason}" if instance.reason and instance.status != "succeeded" else "")


class DataDisplay(Display):
    """Shows nothing, and keeps standard output for the document that follows.

    What the user's module prints while it is imported goes to standard error, and so do steps that run inline.
    """

    def __enter__(self) -> Display:
        self._redirected = redirect_stdout(self._stream)
        self._redirected.__enter__()
        return self

    def close(self) -> None:
        """Give standard output back."""
        self._redirected.__exit__(None, None, None)


def finish(run: Run, form: str) -> int:
    """Print how a run ended, and return the exit code."""
    document = run.report
    if form != "table":
        print_document(document, form)
    else:
        print_report(document)
    if document.status in _UNDER_WAY:  # on a cluster, where it goes on by itself
        print(f"run {document.run} goes on; follow it: fairlead logs {document.run} -f", file=sys.stderr)
    elif document.status != "succeeded":
        for line in failure_lines(document):
            print(line, file=sys.stderr)
    return {"succeeded": 0, "cancelled": 130, **dict.fromkeys(_UNDER_WAY, 0)}.get(document.status, 1)


def print_report(document: RunReport) -> None:
    """Print a run's table: a line for each step, of many instances of one a line together."""
    took = seconds_between(document.started, document.finished)
    print(
        f"run {document.run}   flow {document.flow}   {document.status}"
        + (f"   {human_duration(took)}" if took is not None else "")
    )
    if document.params:
        print("params " + "  ".join(f"{name}={value}" for name, value in document.params.items()))
    rows: list[tuple[str, ...]] = []
    for group in _grouped(document.steps):
        rows += [_row(each) for each in group] if len(group) <= _LINES_MAX else [_group_row(group)]
    print()
    print_table(("STEP", "STATUS", "TRIES", "TIME", "METRICS"), rows)


def _grouped(steps: tuple[StepReport, ...]) -> list[list[StepReport]]:
    groups: dict[str, list[StepReport]] = {}
    for step in steps:
        groups.setdefault(step.name, []).append(step)
    return list(groups.values())


def _row(step: StepReport) -> tuple[str, ...]:
    took = seconds_between(step.attempts[-1].started, step.attempts[-1].finished) if step.attempts else None
    metrics = "  ".join(f"{name} {human_number(value)}" for name, value in step.metrics.items())
    status = "cached" if step.cached else step.status
    return (
        f"{step.name}/{step.index}",
        status,
        str(len(step.attempts) or ""),
        human_duration(took) if took is not None else "",
        metrics,
    )


def _group_row(group: list[StepReport]) -> tuple[str, ...]:
    counts = Counter("cached" if each.cached else each.status for each in group)
    times = [
        took
        for each in group
        for tried in each.attempts
        if (took := seconds_between(tried.started, tried.finished)) is not None
    ]
    tries = sum(len(each.attempts) for each in group)
    return (
        f"{group[0].name}/0…{len(group) - 1}",
        ", ".join(f"{count} {word}" for word, count in counts.most_common()),
        str(tries or ""),
        human_duration(sum(times)) if times else "",
        "",
    )
