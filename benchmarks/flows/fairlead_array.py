"""An array of float32 (n MB) handed from one step to the next."""

import numpy as np

from fairlead import flow, step


@step
def make(n: int) -> np.ndarray:
    return np.random.default_rng(0).random(n * 250_000, dtype=np.float32)


@step
def check(array: np.ndarray, n: int) -> float:
    if array.size != n * 250_000:
        raise ValueError(f"wrong size {array.size}")
    return float(array.sum())


@flow
def array(n: int = 1000):
    check(make(n), n)
