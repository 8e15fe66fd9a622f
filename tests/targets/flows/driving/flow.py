"""What is decided while it runs: a sweep whose trials are gangs, and a dynamic flow."""

from __future__ import annotations

from fairlead import flow, log, runtimes, step, sweep
from fairlead.space import choice, uniform


@step(runtime=runtimes.torch(nodes=2), gpus="L4:1")
def trial(xs: list[float], rate: float, depth: int) -> float:
    """Train with one setting, on two nodes."""
    log(score=rate * depth)
    return rate


@step
def read() -> list[float]:
    """Make the data."""
    return [0.5]


@step(cpu=2)
def refine(x: float) -> float:
    """Come closer."""
    return x / 2


@flow(dynamic=True)
def converge(x: float) -> float:
    """Call a step until its result is small."""
    while x > 0.01:
        x = refine(x)
    return x


@flow
def driving(trials: int = 4) -> float:
    """Search, then converge from what was found."""
    search = sweep(
        trial, over={"rate": uniform(0, 1), "depth": choice([1, 2])}, trials=trials, maximize="score", seed=0
    )
    return converge(search(read()).score)
