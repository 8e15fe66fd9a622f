"""The rules: a module for each place where causes show themselves. What an earlier one explains, later ones leave."""

from __future__ import annotations

from fairlead.insight.findings import Rule
from fairlead.insight.rules import (
    creating,
    ending,
    evicting,
    gangs,
    growing,
    killing,
    placing,
    queueing,
    saying,
    standing,
    starting,
    steps,
    working,
)

RULES: tuple[Rule, ...] = (
    *creating.RULES, *queueing.RULES, *growing.RULES, *placing.RULES, *starting.RULES, *killing.RULES,
    *saying.RULES, *ending.RULES,
    *steps.RULES, *evicting.RULES, *gangs.RULES, *standing.RULES,
    *working.RULES,
)  # fmt: skip
"""Every rule."""
