"""Why a run did not succeed, with lines of cells where its report has lines of their module."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from fairlead.specs.reports import RunReport, StepReport

_FRAMES_MAX = 3
_FRAME = re.compile(r"(.+):(\d+) in (.+)", re.DOTALL)
_TRACEBACK_LINE = re.compile(r'File "([^"\n]+)", line (\d+)')

Place = Callable[[str, int], str | None]
"""Returns the cell and line that a line of a file comes from, or None where it comes from no cell."""


class Failure(NamedTuple):
    """What is said of a run that did not succeed."""

    head: str
    frames: tuple[str, ...] = ()
    line: str = ""
    log: str = ""
    also: str = ""
    next: str = ""
    traceback: str = ""
    is_cancelled: bool = False

    def lines(self) -> list[str]:
        """Return it as lines: what failed, where, and what to do next."""
        labelled = [
            *(("at", frame) for frame in self.frames),
            ("line", self.line),
            ("log", self.log),
            ("also", self.also),
        ]
        return [self.head, *(f"  {label:<6} {said}" for label, said in (*labelled, ("next", self.next)) if said)]


def failure_of(report: RunReport) -> Failure | None:
    """Explain a report; None where nothing is wrong."""
    if report.status == "cancelled":
        advice = f"fairlead resume {report.run}, or run the cell again: what has succeeded comes from the cache"
        return Failure(f"run {report.run} was cancelled", next=advice, is_cancelled=True)
    failed = [step for step in report.steps if step.status == "failed"]
    return _of_step(report, failed) if failed else None


def in_cells(failure: Failure, place: Place) -> Failure:
    """Put the places of cells where the failure names their module."""

    def frame(written: str) -> str:
        found = _FRAME.fullmatch(written)
        cell = place(found[1], int(found[2])) if found else None
        return f"{cell}, in {found[3]}" if found and cell else written

    def line(found: re.Match[str]) -> str:
        return place(found[1], int(found[2])) or found[0]

    return failure._replace(
        frames=tuple(map(frame, failure.frames)), traceback=_TRACEBACK_LINE.sub(line, failure.traceback)
    )


def _of_step(report: RunReport, failed: list[StepReport]) -> Failure:
    step = failed[0]
    name = f"{step.name}/{step.index}"
    error = step.attempts[-1].error if step.attempts else None
    blocked = sum(each.status == "blocked" for each in report.steps)
    counts = ((len(failed) - 1, "more failed"), (blocked, "blocked"))
    also = ", ".join(f"{count} {word}" for count, word in counts if count)
    if error is None:
        return Failure(
            f"step {name} failed: {step.reason or 'no attempt was made'}", also=also, next=f"fairlead get {report.run}"
        )
    tries = f" after {len(step.attempts)} attempts" if len(step.attempts) > 1 else ""
    message = error.message.splitlines() or [""]
    said = f"{error.type}: {message[0]}" if message[0] not in ("", error.type) else error.type
    return Failure(
        f"step {name} failed{tries}: {said}{' …' if len(message) > 1 else ''}",
        frames=error.frames[-_FRAMES_MAX:],
        line=error.line,
        log=f"fairlead logs {report.run}/{name}",
        also=also,
        next="mend the cell, run it, and run the flow again: what has succeeded comes from the cache",
        traceback=error.traceback,
    )
