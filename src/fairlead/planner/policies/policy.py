"""What a placement policy is."""

from __future__ import annotations

from fairlead.planner.demands import Demands, Floats
from fairlead.planner.fragmentation import Fragmentation
from fairlead.planner.mig.placing import Place
from fairlead.planner.states import NodeState
from fairlead.planner.streams import Stream


class Policy:
    """Scores nodes; the highest score takes the pod, the first node where several have it.

    A node's scores follow from its state alone: they are asked for once after each change, for every demand at once.

    Args:
        demands: What pods may ask for.
        fragmentation: The measure of the typical workload.
        random: Where a policy that draws has its numbers from.

    Attributes:
        knows_mig: Whether it can choose instances of GPUs that are cut.
        packs_gangs: Whether the pods of a gang are put into one domain of the topology, where one takes them all.
    """

    knows_mig = False
    packs_gangs = False

    def __init__(self, demands: Demands, fragmentation: Fragmentation, random: Stream) -> None:
        self.demands = demands
        self.fragmentation = fragmentation
        self.random = random

    def scores(self, node: NodeState) -> Floats:
        """Return a node's score for each demand: [demands]; the score of what does not fit is not looked at."""
        raise NotImplementedError

    def choose(self, scores: Floats) -> int:
        """Choose among nodes by their scores: [nodes], where -inf is a node that can't take the pod; one can."""
        return int(scores.argmax())

    def device(self, node: NodeState, demand: int) -> int:
        """Choose the GPU that a pod shares: the one that is left with the least."""
        part = self.demands.all[demand].gpu_millis
        return min((left, device) for device, left in enumerate(node.left) if left >= part)[1]

    def instance(self, node: NodeState, profile: str) -> Place:
        """Choose an instance of a profile for a pod, on a node that has one to give; asked of those that know MIG."""
        raise NotImplementedError
