"""The three flows for Kubeflow Pipelines' local runner: `kfp_flows.py chain|fan|array N`."""

import sys
from typing import List  # noqa: UP035 - the compiler of kfp reads this spelling

from kfp import dsl, local

component = dsl.component(base_image="python:3.11", install_kfp_package=False)


@component
def inc(x: int) -> int:
    return x + 1


@component
def check_chain(x: int, n: int) -> int:
    if x != n - 1:
        raise ValueError(f"expected {n - 1}, got {x}")
    return x


@component
def square(x: int) -> int:
    return x * x


@component
def check_fan(squares: List[int], n: int) -> int:  # noqa: UP006
    total = sum(squares)
    if total != sum(x * x for x in range(n)):
        raise ValueError(f"wrong sum {total}")
    return int(total)  # a collected list of integers comes back as floats


@component
def make(n: int, array: dsl.Output[dsl.Dataset]):
    import numpy as np

    with open(array.path, "wb") as file:
        np.save(file, np.random.default_rng(0).random(n * 250_000, dtype=np.float32))


@component
def check_array(n: int, array: dsl.Input[dsl.Dataset]) -> float:
    import numpy as np

    values = np.load(array.path)
    if values.size != n * 250_000:
        raise ValueError(f"wrong size {values.size}")
    return float(values.sum())


def chain(n: int) -> None:
    task = inc(x=0)
    for _ in range(n - 2):
        task = inc(x=task.output)
    check_chain(x=task.output, n=n)


def fan(n: int) -> None:
    with dsl.ParallelFor(list(range(n)), parallelism=2) as item:
        task = square(x=item)
    check_fan(squares=dsl.Collected(task.output), n=n)


def array(n: int) -> None:
    check_array(n=n, array=make(n=n).outputs["array"])


if __name__ == "__main__":
    wire, size = {"chain": chain, "fan": fan, "array": array}[sys.argv[1]], int(sys.argv[2])

    @dsl.pipeline(name=sys.argv[1])
    def pipeline():
        wire(size)

    local.init(local.SubprocessRunner(use_venv=False))
    pipeline()
