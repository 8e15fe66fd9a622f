"""Signs in runs and steps, as their records have them: what became of them, and how attempts ended.

`fairlead.runs.picturing` makes objects of them, with the kinds ``Run`` and ``Step``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairlead.insight.seeing import Seen, Sign, matches, words_in
from fairlead.snapshots.parts import Evidence, Part, shortened
from fairlead.snapshots.snapshot import Snapshot, Thing

KINDS = ("Run", "Step")


def places_of_records(thing: Thing) -> set[str]:
    """Return in which places of a run or a step anything may show itself."""
    if thing.ref.kind not in KINDS:
        return set()
    unstable = {"status.unstable"} if thing.text("status.unstable") else set()
    return {"phase", *unstable, *(("attempt", "log") if any(thing.each("status.attempts")) else ())}


def phase(word: str, reason: str = "", *, needs: bool = False) -> Sign:
    """What has become of a run or a step by its records, and why in their words; with `needs`, only where it waits."""

    def find(thing: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        words = words_in(reason, thing.text("status.reason")) if matches(word, thing.text("status.phase")) else None
        needed = [f"{each.text('step')}, which is {each.text('status')}" for each in thing.each("status.needs")]
        if words is None or any(thing.each("status.attempts")) or (needs and not needed):
            return
        more = f", and for {len(needed) - 1} more" if len(needed) > 1 else ""
        words |= {"needs": f"{needed[0]}{more}" if needed else ""}
        yield Seen(thing.cite("status.phase", "status.reason"), words, thing.text("status.finishedAt"))

    return Sign("phase", find)


def attempt(kind: str, message: str = "", *, settles: bool = True) -> Sign:
    """An attempt of a step that gave no result, by the type and the message of its error.

    Args:
        kind: A pattern for the type, as a whole.
        message: A pattern for the message.
        settles: Whether this is what the step has said itself, so that its pod needs no further explanation.
    """

    def find(step: Thing, snapshot: Snapshot) -> Iterator[Seen]:
        for each in step.each("status.attempts"):
            words = words_in(message, each.text("error.message")) if matches(kind, each.text("error.type")) else None
            if words is not None:
                evidence = each.cite("error.type", "error.message", "error.line", "error.frame", "exitCode", "signal")
                yield _of_attempt(step, each, evidence, words, settles=settles)

    return Sign("attempt", find)


def in_attempts(pattern: re.Pattern[str], step: Thing, snapshot: Snapshot) -> Iterator[Seen]:
    """Yield what a pattern finds in the errors of a step's attempts, and in what was written last before them."""
    for each, texts in _written(step, snapshot):
        for path, lines in texts:
            line = next(filter(pattern.search, lines), None)
            if line is not None:
                words = {**(words_in(pattern.pattern, line) or {}), "said": shortened(line)}
                yield _of_attempt(step, each, each.cite("error.type", path), words, settles=True)
                break


_Texts = tuple[tuple[str, tuple[str, ...]], ...]
"""Where something was written, and its lines, the last first."""


def _written(step: Thing, snapshot: Snapshot) -> tuple[tuple[Part, _Texts], ...]:
    """Return what the attempts of a step wrote; once for all rules."""
    return snapshot.once(
        ("attempts", step.ref), lambda: tuple((each, _texts(each)) for each in step.each("status.attempts"))
    )


def _texts(attempt: Part) -> _Texts:
    paths = ("error.message", "error.log")
    return tuple((path, tuple(reversed(attempt.text(path).splitlines()))) for path in paths)


def _of_attempt(
    step: Thing, part: Part, evidence: tuple[Evidence, ...], words: dict[str, str], *, settles: bool
) -> Seen:
    """Return what was seen in an attempt. What has one type and one place in the user's code is one cause."""
    kind, frame = part.text("error.type"), part.text("error.frame")
    more = {
        "type": kind,
        "where": f", at {frame}" if frame else "",
        "memory": step.text("spec.memory"),
        "code": part.text("exitCode"),
    }
    return Seen(
        evidence,
        {**more, **words},
        part.text("finishedAt"),
        explains=part.path,
        signature=f"{kind} {frame}" if frame else "",
        settles=(part.text("podUid"),) if settles else (),
    )
