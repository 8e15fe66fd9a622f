"""The published result: GPU allocation and fragmentation, in per cent of all GPUs, mean and deviation over 10 seeds.

Source: Weng et al., "Beware of Fragmentation", USENIX ATC 2023; the expected results in the authors' repository,
github.com/hkust-adsl/kubernetes-scheduler-simulator.
"""

from __future__ import annotations

POLICIES = ("random", "dot-product", "gpu-clustering", "gpu-packing", "best-fit", "fgd")

ALLOCATION: dict[str, tuple[tuple[float, float], ...]] = {
    "default": ((86.30, 0.31), (90.62, 0.18), (91.65, 0.58), (91.78, 0.50), (92.86, 0.14), (95.23, 0.10)),
    "cpu050": ((89.02, 0.25), (93.03, 0.18), (93.52, 0.33), (93.46, 0.30), (93.56, 0.12), (95.00, 0.11)),
    "cpu200": ((83.03, 0.26), (87.45, 0.58), (89.67, 0.36), (89.98, 0.46), (92.15, 0.20), (94.82, 0.15)),
    "gpushare40": ((84.86, 0.32), (89.30, 0.13), (89.76, 0.58), (89.77, 0.50), (91.44, 0.19), (93.96, 0.07)),
    "gpushare80": ((80.62, 0.27), (84.14, 0.18), (84.50, 0.51), (84.65, 0.47), (86.66, 0.23), (89.08, 0.10)),
    "multigpu20": ((86.92, 0.49), (91.85, 0.30), (93.34, 0.57), (93.50, 0.60), (93.73, 0.24), (95.53, 0.15)),
    "multigpu40": ((85.38, 0.72), (94.04, 0.20), (95.35, 0.29), (95.59, 0.30), (95.10, 0.22), (96.91, 0.10)),
    "gpuspec10": ((86.26, 0.24), (90.17, 0.37), (91.96, 0.67), (92.24, 0.62), (93.10, 0.20), (94.66, 0.18)),
    "gpuspec25": ((85.42, 0.32), (85.44, 0.16), (86.41, 0.27), (86.77, 0.34), (85.67, 0.19), (93.91, 0.10)),
}
"""At 100 % arrivals, for each trace and policy."""

FRAGMENTATION: dict[str, tuple[float, float, float, float]] = {
    "random": (15.10, 15.92, 13.49, 12.61),
    "dot-product": (12.09, 10.09, 9.30, 9.16),
    "gpu-clustering": (12.11, 9.36, 8.21, 8.08),
    "gpu-packing": (12.01, 9.28, 8.13, 7.99),
    "best-fit": (10.81, 8.29, 7.05, 6.92),
    "fgd": (8.93, 5.97, 4.73, 4.61),
}
"""Of the default trace, at so many per cent of arrivals."""

ARRIVALS = (50, 80, 100, 120)


def tolerance(sd: float, seeds: int) -> float:
    """Return how far means over 10 published and so many own seeds may lie apart, in points."""
    return float(max(0.3, 2 * sd * (1 / 10 + 1 / seeds) ** 0.5))
