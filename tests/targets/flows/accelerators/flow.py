"""Accelerators of every vendor: the same steps for what clusters do by custom, and for the hardware beside this file."""

from __future__ import annotations

from fairlead import flow, runtimes, step


@step(gpus="H100:8")
def whole() -> int:
    return 1


@step(gpus="A100-80GB-MIG-1g.10gb+me:2")
def mixed() -> int:
    return 1


@step(gpus="A100-MIG-3g.20gb:1")
def single() -> int:
    return 1


@step(gpus="T4:1", spot=True)
def sliced_in_time() -> int:
    return 1


@step(gpus="L4:1")
def shared_by_mps() -> int:
    return 1


@step(gpus="H200:4")
def claimed() -> int:
    return 1


@step(gpus="H200-MIG-1g.18gb:1")
def claimed_slice() -> int:
    return 1


@step(gpus="MI300X:8")
def amd() -> int:
    return 1


@step(gpus="trainium:16", runtime=runtimes.torch(nodes=2, processes_per_node=16))
def neuron() -> int:
    return 1


@step(gpus="inferentia2:2")
def cores() -> int:
    return 1


@step(gpus="gaudi2:8")
def gaudi() -> int:
    return 1


@step(gpus="tpu-v5e:4x4", runtime=runtimes.jax(nodes=4))
def tpu() -> int:
    return 1


@step(gpus="B200:8", runtime=runtimes.torch(nodes=2, processes_per_node=8))
def rdma() -> int:
    return 1


@step(gpus="H200:8", runtime=runtimes.torch(nodes=2, processes_per_node=8))
def claimed_gang() -> int:
    return 1


@flow
def accelerators() -> list[int]:
    """Use them all."""
    return [
        whole(), mixed(), single(), sliced_in_time(), shared_by_mps(), claimed(), claimed_slice(), amd(), neuron(),
        cores(), gaudi(), tpu(), rdma(), claimed_gang(),
    ]  # fmt: skip
