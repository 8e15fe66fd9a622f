"""The policies by their names."""

from __future__ import annotations

from fairlead.errors import UsageError, nearest
from fairlead.planner.policies.balanced_fgd import BalancedFgd
from fairlead.planner.policies.best_fit import BestFit
from fairlead.planner.policies.dot_product import DotProduct
from fairlead.planner.policies.fgd import FragmentationGradientDescent
from fairlead.planner.policies.gpu_clustering import GpuClustering
from fairlead.planner.policies.gpu_packing import GpuPacking
from fairlead.planner.policies.mig_best_fit import MigBestFit
from fairlead.planner.policies.mig_first_fit import MigFirstFit
from fairlead.planner.policies.policy import Policy
from fairlead.planner.policies.random import RandomNode
from fairlead.planner.policies.topology_packing import TopologyPacking
from fairlead.planner.policies.worst_fit import WorstFit

POLICIES: dict[str, type[Policy]] = {
    "random": RandomNode,
    "best-fit": BestFit,
    "worst-fit": WorstFit,
    "dot-product": DotProduct,
    "gpu-packing": GpuPacking,
    "gpu-clustering": GpuClustering,
    "fgd": FragmentationGradientDescent,
    "balanced-fgd": BalancedFgd,
    "mig-first-fit": MigFirstFit,
    "mig-best-fit": MigBestFit,
    "topology-packing": TopologyPacking,
}


def policy_named(name: str) -> type[Policy]:
    """Return a policy.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in POLICIES:
        raise UsageError(f"there is no placement policy {name!r}", next=nearest(name, POLICIES))
    return POLICIES[name]
