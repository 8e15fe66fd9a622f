"""What becomes of a step whose pod can't be scheduled: a policy of a context, or of one run."""

from __future__ import annotations

from typing import Literal, NamedTuple

from fairlead.quantities import parse_duration

_FORMS = "'warn', 'fail-after 10m' or 'fail-if-never-fits'"


class Unschedulable(NamedTuple):
    """The policy.

    Attributes:
        action: ``warn``: say so, and wait; ``fail-after``: fail the step after a while; ``fail-if-never-fits``: fail it
            where no node could ever take it.
        after_s: For ``fail-after``: seconds since the scheduler found no place.
    """

    action: Literal["warn", "fail-after", "fail-if-never-fits"] = "warn"
    after_s: float = 0.0


def parse_unschedulable(text: str) -> Unschedulable:
    """Read a policy; empty text is ``warn``.

    Raises:
        ValueError: It is none.
    """
    action, _, duration = text.strip().partition(" ")
    match action:
        case "" | "warn" if not duration:
            return Unschedulable()
        case "fail-if-never-fits" if not duration:
            return Unschedulable("fail-if-never-fits")
        case "fail-after" if duration:
            return Unschedulable("fail-after", parse_duration(duration.strip()))
    raise ValueError(f"{text!r} is no policy for what can't be scheduled: write {_FORMS}")
