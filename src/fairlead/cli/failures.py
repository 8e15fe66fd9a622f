"""What a failed run shows: at most twelve lines on the first failure, and how to see more."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.specs.reports import ErrorReport, RunReport, StepReport

_LINES_MAX = 12
_ANSWER = re.compile(r" {2}(where|why|next) +(.+)")


def failure_lines(document: RunReport) -> list[str]:
    """Return the lines that explain why a run did not succeed."""
    if document.status == "cancelled":
        return [f"run {document.run} was cancelled", f"  next   fairlead resume {document.run}"]
    failed = [step for step in document.steps if step.status == "failed"]
    if not failed:
        return [f"run {document.run} {document.status}" + (f": {document.reason}" if document.reason else "")]
    lines = list(_step_lines(document, failed[0]))
    others = len(failed) - 1
    blocked = sum(step.status == "blocked" for step in document.steps)
    if others or blocked:
        counts = ((others, "more failed"), (blocked, "blocked"))
        lines.insert(-1, "  also   " + ", ".join(f"{count} {word}" for count, word in counts if count))
    return lines[:_LINES_MAX]


def _step_lines(document: RunReport, step: StepReport) -> Iterator[str]:
    place = f"{step.name}/{step.index}"
    attempt = step.attempts[-1] if step.attempts else None
    error = attempt.error if attempt else None
    if error is None:
        yield f"step {place} failed: {step.reason or 'no attempt was made'}"
        yield f"  next   fairlead get {document.run}"
        return
    rank = f", rank {attempt.rank}" if attempt and attempt.rank is not None else ""
    tries = f" after {len(step.attempts)} attempts" if len(step.attempts) > 1 else ""
    answers = _answers(error)
    yield f"step {place} failed{tries}{rank}: {answers.get('what') or _headline(error)}"
    yield from (f"  {label:<6} {answers[label]}" for label in ("where", "why") if label in answers)
    for frame in error.frames[-3:]:
        yield f"  at     {frame}"
    if error.line:
        yield f"  line   {error.line}" if error.frames else f"  last   {error.line}"
    yield f"  log    fairlead logs {document.run}/{place}"
    yield f"  next   {answers.get('next', 'mend it')}, then: fairlead resume {document.run} --with-current-code"


def _answers(error: ErrorReport) -> dict[str, str]:
    """Take the four answers of one of Fairlead's own messages apart; empty for any other."""
    what, *rest = error.message.splitlines() or [""]
    labelled = [_ANSWER.fullmatch(line) for line in rest]
    found = {each[1]: each[2] for each in labelled if each}
    return {"what": what, **found} if rest and len(found) == len(rest) else {}


def _headline(error: ErrorReport) -> str:
    message = error.message.splitlines() or [""]
    more = " …" if len(message) > 1 else ""
    return f"{error.type}: {message[0]}{more}" if message[0] != error.type else error.type
