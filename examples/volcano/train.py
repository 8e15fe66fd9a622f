"""A gang for Volcano: ``fairlead render train.py --on CONTEXT --target volcanojob``."""

from __future__ import annotations

from fairlead import flow, runtimes, step


@step(runtime=runtimes.torch(nodes=2, processes_per_node=4), gpus="A100:4", cpu=8, memory="64Gi")
def fit(rate: float) -> float:
    """Train, as far as an example of targets has to."""
    return rate


@flow
def train(rate: float = 0.1) -> float:
    """Train once."""
    return fit(rate)
