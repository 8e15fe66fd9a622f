"""Best fit, and the pods of a gang as near each other as can be: all in one rack before all in one block."""

from __future__ import annotations

from fairlead.planner.policies.best_fit import BestFit


class TopologyPacking(BestFit):
    """Best fit in the fullest of the narrowest domains that take a gang whole; anywhere where none does."""

    packs_gangs = True
