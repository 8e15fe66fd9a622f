"""The documents of a plan: what `fairlead plan -o json` prints."""

from __future__ import annotations

from typing import Literal

import msgspec

from fairlead.insight.findings import Layer
from fairlead.insight.why import Evidence
from fairlead.snapshots.parts import Evidence as Cited
from fairlead.snapshots.snapshot import Unread

Verdict = Literal["never", "not-now", "now", "unknown"]
"""``never``: not as the cluster is, whatever ends there. ``not-now``: once something else has ended, or is mended.
``unknown``: nothing that could be read is against it, and not all could be read."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a step would not run, or not now.

    Attributes:
        id: The reason's name, which stays.
        layer: Where it lies.
        verdict: What it makes of the step; a ``warning`` changes nothing of the verdict.
        message: What is the matter.
        evidence: The fields that this rests on.
        fits: The smallest change with which it would fit; empty where none is known.
        remedy: What to do about it.
        source: Where the documentation is.
    """

    id: str
    layer: str
    verdict: Literal["never", "not-now", "warning"]
    message: str
    evidence: tuple[Evidence, ...] = ()
    fits: str = ""
    remedy: str = ""
    source: str = ""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """What earlier attempts took: half of them no more than `p50`, nine of ten no more than `p90`."""

    p50: float
    p90: float
    attempts: int


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What something would cost by a price book.

    Attributes:
        currency: As the book says: ``USD``.
        p50: Where everything takes as long as half of the earlier attempts did; null where that is not known.
        p90: Where it takes as long as nine of ten did.
        lacking: Why it is not known, or what is not in it.
    """

    currency: str = ""
    p50: float | None = None
    p90: float | None = None
    lacking: tuple[str, ...] = ()


class StepPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A step, or several whose pods are alike.

    Attributes:
        step: The step's name; empty for what Fairlead needs itself.
        instances: How many there are of it.
        is_counted: Whether the graph says how many there are; at least so many where it does not.
        pods: How many pods one of them has.
        verdict: Whether one of them would run.
        reasons: Why not, or not now; the first layer first.
        start: When it would start, in words.
        duration_s: How long one attempt takes, by earlier ones; null where there were none.
        memory_bytes: The most memory that one attempt takes.
        cost: What all instances cost.
    """

    step: str
    instances: int
    is_counted: bool = True
    pods: int
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    start: str = ""
    duration_s: Spread | None = None
    memory_bytes: Spread | None = None
    cost: Cost | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a flow would run in a context.

    Attributes:
        flow: The flow.
        context: The context.
        namespace: Its namespace.
        taken: When the cluster was looked at, ISO 8601 in UTC.
        verdict: The worst of all steps.
        pods: How many pods there are in all, at least.
        steps: The groups of steps.
        reasons: What is against the run as a whole.
        cost: Of all together.
        unread: What could not be read, or is not looked at.
    """

    flow: str
    context: str
    namespace: str
    taken: str
    verdict: Verdict
    pods: int
    steps: tuple[StepPlan, ...]
    reasons: tuple[Reason, ...] = ()
    cost: Cost | None = None
    unread: tuple[Unread, ...] = ()


def reason(
    id: str,
    layer: Layer,
    verdict: Literal["never", "not-now", "warning"],
    message: str,
    *evidence: Cited,
    fits: str = "",
    remedy: str = "",
    source: str = "",
) -> Reason:
    """Make a reason of what was found."""
    return Reason(
        id=id,
        layer=layer.name.lower(),
        verdict=verdict,
        message=message,
        evidence=tuple(Evidence(subject=each.subject, path=each.path, value=each.value) for each in evidence),
        fits=fits,
        remedy=remedy,
        source=source,
    )
