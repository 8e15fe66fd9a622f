"""The rules: a module for each place where causes show themselves. What an earlier one explains, later ones leave."""

from __future__ import annotations

from fairlead.insight.findings import Rule
from fairlead.insight.rules import (
    claiming,
    creating,
    ending,
    evicting,
    gangs,
    growing,
    killing,
    operators,
    placing,
    queueing,
    saying,
    standing,
    starting,
    steps,
    working,
)

RULES: tuple[Rule, ...] = (
    *creating.RULES, *queueing.RULES, *operators.RULES, *growing.RULES, *claiming.RULES, *placing.RULES,
    *starting.RULES, *killing.RULES, *saying.RULES, *ending.RULES, *operators.SUBMISSIONS, *steps.RULES,
    *evicting.RULES, *gangs.RULES, *standing.RULES, *working.RULES,
)  # fmt: skip
"""Every rule."""
