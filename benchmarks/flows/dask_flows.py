"""The three flows for Dask on a local cluster of two processes: `dask_flows.py chain|fan|array N`."""

import sys

import numpy as np
from dask.distributed import Client, Future, LocalCluster


def inc(x: int) -> int:
    return x + 1


def check_chain(x: int, n: int) -> int:
    if x != n - 1:
        raise ValueError(f"expected {n - 1}, got {x}")
    return x


def square(x: int) -> int:
    return x * x


def check_fan(squares: list[int], n: int) -> int:
    total = sum(squares)
    if total != sum(x * x for x in range(n)):
        raise ValueError(f"wrong sum {total}")
    return total


def make(n: int) -> np.ndarray:
    return np.random.default_rng(0).random(n * 250_000, dtype=np.float32)


def check_array(array: np.ndarray, n: int) -> float:
    if array.size != n * 250_000:
        raise ValueError(f"wrong size {array.size}")
    return float(array.sum())


def chain(client: Client, n: int) -> Future:
    x = client.submit(inc, 0, pure=False)
    for _ in range(n - 2):
        x = client.submit(inc, x, pure=False)
    return client.submit(check_chain, x, n)


def fan(client: Client, n: int) -> Future:
    return client.submit(check_fan, client.map(square, range(n)), n)


def array(client: Client, n: int) -> Future:
    first, second = client.scheduler_info()["workers"]
    made = client.submit(make, n, workers=[first])
    return client.submit(check_array, made, n, workers=[second])  # elsewhere, so that the array has to travel


if __name__ == "__main__":
    wire, size = {"chain": chain, "fan": fan, "array": array}[sys.argv[1]], int(sys.argv[2])
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        wire(client, size).result()
