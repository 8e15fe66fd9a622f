"""How much pods matter, and whose place they may take.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fairlead.insight.findings import Layer
from fairlead.insight.planning.asked import Pods
from fairlead.insight.planning.documents import Reason, reason
from fairlead.insight.planning.facts import Facts
from fairlead.insight.planning.nodes import Held
from fairlead.snapshots.parts import Evidence
from fairlead.snapshots.snapshot import Thing

PREEMPTS = "preempts-others"
SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
"""The priorities of classes that every cluster has."""
_STARTS = "it starts "
_NAMED = 3
_SOURCE = "https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/"


class Priority(NamedTuple):
    """How much pods matter.

    Attributes:
        value: The higher the more.
        preempts: Whether they take the place of others that matter less.
        of: Their class, where they have one.
    """

    value: int
    preempts: bool
    of: Thing | None = None


def priority_of(pods: Pods, facts: Facts) -> Priority | None:
    """Return how much pods matter; None where that is not known."""
    name = pods.pod.text("spec.priorityClassName")
    is_ours = pods.pod.text("spec.schedulerName") in ("", "default-scheduler")  # others have rules of their own
    if name in SYSTEM:
        return Priority(SYSTEM[name], is_ours)
    if not facts.knows("PriorityClass"):
        return None
    of = facts.snapshot.find("PriorityClass", name) if name else _default(facts)
    if of is None:
        return None if name else Priority(0, is_ours)
    return Priority(_value(of), is_ours and of.text("preemptionPolicy") != "Never", of)


def _default(facts: Facts) -> Thing | None:
    """Return the class of pods that name none: of several the one that matters least."""
    found = (each for each in facts.all("PriorityClass") if each.part("globalDefault").value is True)
    return min(found, key=_value, default=None)


def _value(of: Thing) -> int:
    return of.number("value") or 0


def preempts(gone: Sequence[Held], priority: Priority) -> Reason:
    """Return that pods start in the place of others."""
    values = sorted({each.priority for each in gone})
    of = f"priority {values[0]}" if len(values) == 1 else f"priorities {values[0]} to {values[-1]}"
    names = [f"{each.pod.ref.namespace}/{each.pod.ref.name}" for each in gone]
    more = f" and {len(names) - _NAMED} more" if names[_NAMED:] else ""
    cited = [Evidence(str(each.pod.ref), "spec.priority", str(each.priority)) for each in gone[:_NAMED]]
    return reason(
        PREEMPTS, Layer.PLACEMENT, "warning",
        f"{_STARTS}by preempting {len(gone)} pod{'s' if len(gone) > 1 else ''} of {of} "
        f"({', '.join(names[:_NAMED])}{more})",
        *(priority.of.cite("value") if priority.of is not None else ()), *cited, source=_SOURCE,
        remedy="with a class whose preemptionPolicy is Never it waits instead",
    )  # fmt: skip


def how(found: Reason) -> str:
    """Return how a step starts that takes the place of others: ``by preempting 2 pods of priority 0 (a/x, a/y)``."""
    return found.message.removeprefix(_STARTS)
