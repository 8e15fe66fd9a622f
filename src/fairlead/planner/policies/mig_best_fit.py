"""The MIG instance that takes least from others, on whichever node; best fit for pods that ask for whole GPUs.

It is counted in the memory slices of the instances that can then no longer be made (`fairlead.planner.mig.placing`).
"""

from __future__ import annotations

from fairlead.planner.demands import Floats
from fairlead.planner.mig.placing import Place
from fairlead.planner.policies.best_fit import BestFit
from fairlead.planner.states import NodeState


class MigBestFit(BestFit):
    """Keeps room for large instances as long as smaller room will do."""

    knows_mig = True

    def scores(self, node: NodeState) -> Floats:
        """Score by what the best instance of each profile takes from others."""
        found = super().scores(node)
        if node.cut is not None:
            costs: dict[str, float] = {}
            for number, demand in enumerate(self.demands.all):
                if demand.profile:
                    if demand.profile not in costs:
                        place = node.cut.choose(demand.profile, "best-fit")
                        costs[demand.profile] = 0.0 if place is None else node.cut.cost(place)
                    found[number] = -costs[demand.profile]
        return found

    def instance(self, node: NodeState, profile: str) -> Place:
        """Choose the one that gave the score."""
        assert node.cut is not None
        found = node.cut.choose(profile, "best-fit")
        assert found is not None, "the node has one"
        return found
