"""Troubles that are made to happen on a cluster, by the layer at which they show themselves, as the rules are."""

from __future__ import annotations

from insight.troubles import creating, ending, placing, queueing, starting, working
from insight.troubles.manifests import Trouble

TROUBLES: tuple[Trouble, ...] = (
    *creating.TROUBLES, *queueing.TROUBLES, *placing.TROUBLES, *starting.TROUBLES, *ending.TROUBLES, *working.TROUBLES
)  # fmt: skip
"""Every trouble."""
