"""Ranks of every runtime, and what their pods are given: the goldens beside it are one file for each target."""

from __future__ import annotations

from fairlead import flow, runtimes, step
from fairlead.specs.steps import Overlay, Secret, Volume


@step(
    runtime=runtimes.torch(nodes=2, processes_per_node=4),
    gpus="H100:4",
    cpu=16,
    memory="64Gi",
    shared_memory="8Gi",
    queue="gpus",
    priority="high",
    labels={"model": "small"},
    secrets=[Secret(name="hub", key="token", variable="HUB_TOKEN")],
    volumes=[Volume(name="data", path="/data", claim="images", read_only=True)],
    overlays=[Overlay(kind="Pod", patch={"terminationGracePeriodSeconds": 120})],
)
def torch() -> int:
    return 1


@step(runtime=runtimes.torch(nodes=4, processes_per_node=2, nodes_min=2), retries=2)
def elastic() -> int:
    return 1


@step(runtime=runtimes.jax(nodes=3), image="registry.example/jax:1")
def jax() -> int:
    return 1


@step(runtime=runtimes.tensorflow(nodes=2))
def tensorflow() -> int:
    return 1


@step(runtime=runtimes.mpi(nodes=2, processes_per_node=2))
def mpi() -> int:
    return 1


@step(runtime=runtimes.xgboost(nodes=3), memory="2Gi", queue="batch")
def xgboost() -> int:
    return 1


@step(
    runtime=runtimes.ray(workers=2, roles={"head": runtimes.role(cpu=1, memory="4Gi")}),
    gpus="A100:1",
    cpu=8,
    memory="32Gi",
    shared_memory="8Gi",
    queue="gpus",
)
def ray() -> int:
    return 1


@step(
    runtime=runtimes.spark(executors=2, roles={"driver": runtimes.role(cpu="500m", memory="1Gi")}),
    cpu=2,
    memory="4Gi",
    image="registry.example/spark:4",
    volumes=[Volume(name="data", path="/data", claim="flights")],
)
def spark() -> int:
    return 1


@step(
    runtime=runtimes.dask(workers=3, roles={"scheduler": runtimes.role(cpu=1, memory="1Gi")}),
    cpu=2,
    memory="4Gi",
    queue="batch",
)
def dask() -> int:
    return 1


@flow
def training():
    return [torch(), elastic(), jax(), tensorflow(), mpi(), xgboost(), ray(), spark(), dask()]
