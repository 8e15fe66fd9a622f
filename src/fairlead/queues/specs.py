"""Queues and work as Kueue has them: quotas, cohorts, what queues may take back, and what waits in them.

Amounts are whole numbers of the smallest unit that matters: thousandths of a CPU, bytes, cards.

Source: https://kueue.sigs.k8s.io/docs/concepts/cluster_queue/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

Amounts = dict["FlavorResource", int]
"""How much of what."""


class FlavorResource(NamedTuple):
    """A resource of one flavor: ``cpu`` of ``spot``. Quotas are of these."""

    flavor: str
    resource: str


class _Spec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class Quota(_Spec, frozen=True, kw_only=True):
    """How much there is of a resource of a flavor.

    Attributes:
        nominal: What is guaranteed.
        borrowing_limit: How much more may be used of what others leave; None for all of it.
        lending_limit: How much others may use of it; None for all.
    """

    nominal: int
    borrowing_limit: int | None = None
    lending_limit: int | None = None


class FlavorQuotas(_Spec, frozen=True, kw_only=True):
    """The quotas of one flavor, by resource."""

    name: str
    quotas: dict[str, Quota]


class ResourceGroup(_Spec, frozen=True, kw_only=True):
    """Resources whose flavor is chosen together: the flavors are tried in this order."""

    resources: tuple[str, ...]
    flavors: tuple[FlavorQuotas, ...]


class BorrowWithin(_Spec, frozen=True, kw_only=True):
    """Work of lower priority in other queues may be taken back even by one that borrows.

    Attributes:
        threshold: Only work of at most this priority, where the queue then borrows; None for any lower one.
    """

    threshold: int | None = None


class Preemption(_Spec, frozen=True, kw_only=True):
    """What a queue may take back for its work."""

    within: Literal["Never", "LowerPriority", "LowerOrNewerEqualPriority"] = "Never"
    reclaim: Literal["Never", "LowerPriority", "Any"] = "Never"
    borrow_within: BorrowWithin | None = None


class Fungibility(_Spec, frozen=True, kw_only=True):
    """When the next flavor is tried, although one would do by borrowing or by taking back."""

    when_can_borrow: Literal["MayStopSearch", "TryNextFlavor"] = "MayStopSearch"
    when_can_preempt: Literal["MayStopSearch", "TryNextFlavor"] = "TryNextFlavor"
    preference: Literal["BorrowingOverPreemption", "PreemptionOverBorrowing"] = "BorrowingOverPreemption"


Strategy = Literal["LessThanOrEqualToFinalShare", "LessThanInitialShare"]


class FairSharing(_Spec, frozen=True, kw_only=True):
    """Who has borrowed least of what can be lent comes first, and work is taken back from who has borrowed most.

    Attributes:
        strategies: When that is right: where the other one still has no less in the end, or, tried second, where it had
            more in the beginning.
    """

    strategies: tuple[Strategy, ...] = ("LessThanOrEqualToFinalShare", "LessThanInitialShare")


class ClusterQueue(_Spec, frozen=True, kw_only=True):
    """A queue with quotas; `weight` is how much of what is lent it may have beside others, where sharing is fair."""

    name: str
    groups: tuple[ResourceGroup, ...]
    cohort: str = ""
    strategy: Literal["BestEffortFIFO", "StrictFIFO"] = "BestEffortFIFO"
    preemption: Preemption = Preemption()
    fungibility: Fungibility = Fungibility()
    weight: float = 1.0


class Cohort(_Spec, frozen=True, kw_only=True):
    """Queues that lend each other what they do not use; it may have quotas of its own, and a cohort above."""

    name: str
    parent: str = ""
    groups: tuple[ResourceGroup, ...] = ()
    weight: float = 1.0


class Workload(_Spec, frozen=True, kw_only=True):
    """Work that is admitted whole.

    Attributes:
        name: Its name.
        queue: The ClusterQueue that it waits in.
        pod_sets: What each group of its pods asks for, all pods of it together, by resource.
        priority: The higher first.
        created: When it came, in any unit.
        uid: What decides where all else is equal.
        flavors: The only flavors whose nodes it can be on; None for any.
    """

    name: str
    queue: str
    pod_sets: tuple[dict[str, int], ...]
    priority: int = 0
    created: float = 0.0
    uid: str = ""
    flavors: frozenset[str] | None = None


def quotas_of(groups: tuple[ResourceGroup, ...]) -> Iterator[tuple[FlavorResource, Quota]]:
    """Yield every quota, with what it is of."""
    for group in groups:
        for flavor in group.flavors:
            for resource, quota in flavor.quotas.items():
                yield FlavorResource(flavor.name, resource), quota
