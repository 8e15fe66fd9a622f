"""Sweeps that components can run: one of each sampler that Katib has an algorithm for, over every kind of range."""

from __future__ import annotations

from fairlead import flow, log, runtimes, step, sweep
from fairlead.space import choice, integers, loguniform, uniform


@step(cpu=2, memory="4Gi", gpus="A100:1", retries=1)
def fit(rate: float, depth: int, dropout: float, kind: str | None, rows: int) -> float:
    """Train with one setting."""
    for epoch in range(3):
        log(loss=rate * depth + dropout + rows / (1 + epoch), at=epoch)
    return rate


@step(runtime=runtimes.torch(nodes=2), gpus="L4:1")
def train(rate: float, depth: int) -> float:
    """Train on two nodes."""
    log(score=rate * depth)
    return rate


search = sweep(
    fit,
    over={
        "rate": loguniform(1e-4, 1e-1), "depth": integers(1, 9), "dropout": uniform(0, 0.5, step=0.1),
        "kind": choice(["a", None]),
    },
    trials=20, parallel=4, minimize="loss", best_of="min", pruner="median", seed=7, name="search",
)  # fmt: skip
grid = sweep(
    train,
    over={"rate": uniform(0, 1, step=0.5), "depth": integers(1, 5, step=2)},
    trials=20, parallel=9, maximize="score", sampler="grid", name="grid",
)  # fmt: skip


@flow
def sweeping(rows: int = 100) -> None:
    """Run both."""
    search(rows=rows)
    grid()
