"""What is known of a cluster, and of which kinds all objects are: only then something is known not to be there."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property

from fairlead.snapshots.snapshot import Snapshot, Thing, Unread

SCALERS = ("NodePool",)
"""Kinds by which nodes are added where there are none: Karpenter's."""
SCALER_STATUS = "cluster-autoscaler-status"
"""The ConfigMap in which the Cluster Autoscaler says how it is, in the namespace that it runs in."""


class Facts:
    """A picture of a cluster as a plan needs it.

    Args:
        snapshot: What was read.
        namespace: Where the pods are to be.
        read: The kinds of which everything was read, or what of them was asked for.
    """

    def __init__(self, snapshot: Snapshot, namespace: str, read: Collection[str]) -> None:
        self.snapshot = snapshot
        self.namespace = namespace
        self._read = frozenset(read)

    def knows(self, kind: str) -> bool:
        """Say whether an object of a kind that is not in the picture is not in the cluster either."""
        return kind in self._read

    def all(self, kind: str) -> tuple[Thing, ...]:
        """Return the objects of a kind that has no namespaces."""
        return self.snapshot.of_kind(kind)

    def own(self, kind: str) -> tuple[Thing, ...]:
        """Return the objects of a kind in the namespace."""
        return self.snapshot.of_kind(kind, self.namespace)

    def find(self, kind: str, name: str) -> Thing | None:
        """Return an object of the namespace."""
        return self.snapshot.find(kind, name, self.namespace)

    @property
    def is_fixed(self) -> bool:
        """Whether it is known that no nodes are added as they are asked for, by anything that is known here."""
        return self.scaler is None and self.knows(SCALER_STATUS) and self.knows(SCALERS[0])

    @cached_property
    def scaler(self) -> Thing | None:
        """What shows that nodes may be added; None where nothing does."""
        pools = (each for kind in SCALERS for each in self.all(kind))
        said = (each for each in self.snapshot.of_kind("ConfigMap") if each.ref.name == SCALER_STATUS)
        return next(iter((*pools, *said)), None)


def unread(kinds: Iterable[str], facts: Facts, what: str) -> Iterable[Unread]:
    """Yield that something is not known, because some kinds could not be read."""
    lacking = [kind for kind in kinds if not facts.knows(kind)]
    if lacking:
        yield Unread(what=what, why=f"no {' and no '.join(lacking)} could be read")
