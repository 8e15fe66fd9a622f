"""What steps ask of a cluster: hardware, storage, secrets, another try, ranks, and what overlays add."""

from __future__ import annotations

from fairlead import flow, runtimes, step
from fairlead.specs.steps import Overlay, Retries, Secret, Volume


@step(
    cpu="500m", memory="1Gi", disk="20Gi", shared_memory="256Mi", variables={"MODE": "fast"},
    secrets=[Secret(name="market", key="token", variable="MARKET_TOKEN")], labels={"team": "vision"},
    volumes=[Volume(name="data", path="/data", claim="images", read_only=True), Volume(name="out_1", path="/out", claim="o")],
)  # fmt: skip
def read(rows: int) -> list[float]:
    """Read from storage with a secret."""
    return [0.5] * rows


@step(
    gpus="A100-80GB-MIG-1g.10gb+me:2",
    retries=Retries(user=2, infrastructure=5, backoff="1h30m", factor=1.5, backoff_max="2d"),
)
def sliced(xs: list[float]) -> float:
    """Run on slices of a card."""
    return sum(xs)


@step(gpus="H100:8", spot=True, priority="high", image="registry.example/trainer:1")
def reclaimed(xs: list[float]) -> float:
    """Run where capacity may be reclaimed."""
    return sum(xs)


@step(gpus="tpu-v5e:4x4", runtime=runtimes.jax(nodes=4), queue="tpus", retries=1)
def sharded(xs: list[float]) -> float:
    """Run on a slice of four hosts."""
    return sum(xs)


@step(
    overlays=[
        Overlay(kind="Pod", patch={"runtimeClassName": "gvisor", "containers": [{"name": "main", "env": [{"name": "A", "value": "1"}]}]}),
        Overlay(kind="Job", patch={"spec": {"activeDeadlineSeconds": 3600}}),
        Overlay(kind="Workflow", patch={"spec": {"parallelism": 8, "podMetadata": {"annotations": {"example.com/scrape": "true"}}}}),
    ],
)  # fmt: skip
def adapted(xs: list[float]) -> float:
    """Take native fields."""
    return sum(xs)


@step
def gather(xs: list[float]) -> float:
    """Declare nothing."""
    return sum(xs)


@flow
def hardware(rows: int = 4) -> float:
    """Use all of it."""
    xs = read(rows)
    return gather([sliced(xs), reclaimed(xs), sharded(xs), adapted(xs)])
