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
from fairlead.snapshots.parts import Evidence
from fairlead.snapshots.snapshot import Thing

PREEMPTS = "preempts-others"
SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
"""The priorities of classes that every cluster has."""
CLASS_IN_QUEUE = "kueue.x-k8s.io/priority-class"
"""The label that names it."""
_STARTS = "it starts "
_NAMED = 3


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


def priority_in_queue(pods: Pods, facts: Facts) -> Priority | None:
    """Return how much pods matter to their queue, by a class of Kueue's own where they name one; None if not known."""
    name = class_in_queue(pods)
    of = facts.snapshot.find("WorkloadPriorityClass", name) if name else None
    if of is not None:
        return Priority(_value(of), preempts=True, of=of)
    return None if name else priority_of(pods, facts)


def class_in_queue(pods: Pods) -> str:
    """Return the class of Kueue's own that pods name for their priority; empty where they name none.

    Source: https://kueue.sigs.k8s.io/docs/concepts/workload_priority_class/
    """
    return str(pods.pod.mapping("metadata.labels").get(CLASS_IN_QUEUE, ""))


def _default(facts: Facts) -> Thing | None:
    """Return the class of pods that name none: of several the one that matters least."""
    found = (each for each in facts.all("PriorityClass") if each.part("globalDefault").value is True)
    return min(found, key=_value, default=None)


def _value(of: Thing) -> int:
    return of.number("value") or 0


def preempts(
    what: str,
    gone: Sequence[tuple[Thing, int]],
    layer: Layer,
    *,
    by: Thing | None = None,
    remedy: str = "",
    source: str,
) -> Reason:
    """Return that a step starts in the place of others.

    Args:
        what: What these are, one of them.
        gone: They, each with its priority.
        layer: Where they are in its way.
        by: The step's priority class, where it has one.
        remedy: How they would be spared.
        source: Where that is documented.
    """
    values = sorted({priority for _, priority in gone})
    of = f"priority {values[0]}" if len(values) == 1 else f"priorities {values[0]} to {values[-1]}"
    names = [f"{each.ref.namespace}/{each.ref.name}" for each, _ in gone]
    more = f" and {len(names) - _NAMED} more" if names[_NAMED:] else ""
    return reason(
        PREEMPTS, layer, "warning",
        f"{_STARTS}by preempting {len(gone)} {what}{'s' if len(gone) > 1 else ''} of {of} "
        f"({', '.join(names[:_NAMED])}{more})",
        *(by.cite("value") if by is not None else ()),
        *(Evidence(str(each.ref), "spec.priority", str(priority)) for each, priority in gone[:_NAMED]),
        remedy=remedy, source=source,
    )  # fmt: skip


def how(found: Reason) -> str:
    """Return how a step starts that takes the place of others: ``by preempting 2 pods of priority 0 (a/x, a/y)``."""
    return found.message.removeprefix(_STARTS)
