"""Steps that are sent into clusters that stand, and the definitions that such clusters are made of."""

from __future__ import annotations

from fairlead import flow, runtimes, step
from fairlead.specs.steps import Overlay, Secret, Volume


@step(
    runtime=runtimes.ray(workers=2, roles={"head": runtimes.role(cpu=1, memory="4Gi")}),
    gpus="A100:1",
    cpu=8,
    memory="32Gi",
    shared_memory="8Gi",
    image="registry.example/ray:2",
    queue="gpus",
    labels={"tier": "shared"},
    variables={"RAY_PREFER_IPV6": "0"},
    secrets=[Secret(name="hub", key="token", variable="HUB_TOKEN")],
    volumes=[Volume(name="data", path="/data", claim="images", read_only=True)],
    overlays=[Overlay(kind="Pod", patch={"terminationGracePeriodSeconds": 120})],
)
def ray(shards: int) -> int:
    return shards


@step(
    runtime=runtimes.dask(workers=3, roles={"scheduler": runtimes.role(cpu=1, memory="1Gi")}),
    cpu=2,
    memory="4Gi",
    image="registry.example/dask:1",
)
def dask(shards: int) -> int:
    return shards


@step(runtime=runtimes.ray(cluster="shared"), image="registry.example/ray:2", cpu="500m")
def by_ray() -> int:
    return 1


@step(runtime=runtimes.dask(cluster="platform/shared"), image="registry.example/dask:1")
def by_dask() -> int:
    return 1


@flow
def standing():
    return by_ray(), by_dask()
