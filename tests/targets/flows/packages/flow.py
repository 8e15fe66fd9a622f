"""Steps with packages: two that share a layer, one in another image, a sweep whose trials need one, and one without."""

from __future__ import annotations

from fairlead import flow, runtimes, step, sweep
from fairlead.space import uniform


@step
def read() -> int:
    return 1


@step(lock="requirements.txt")
def first(rows: int) -> int:
    return rows


@step(packages=["Six==1.17.0"], image="registry.example/other:2", runtime=runtimes.torch(nodes=2))
def ranks(rows: int) -> int:
    return rows


@step(lock="requirements.txt", cpu=1, memory="1Gi")
def trial(rows: int, rate: float) -> float:
    return rate * rows


@flow
def packages() -> float:
    rows = first(read())
    best = sweep(trial, over={"rate": uniform(0, 1)}, trials=2, maximize="score", seed=0)(rows)
    ranks(rows)
    return best.value
