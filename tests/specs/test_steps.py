"""What a step's spec can't be: every fault with its path."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from fairlead import runtimes, space
from fairlead.specs.resources import DEFAULT_CPU_MILLIS, Resources
from fairlead.specs.runtimes import ROLES, Role, Runtime, Torch, kind_of, runtime_faults
from fairlead.specs.steps import (
    ContainerStep,
    Dimension,
    Environment,
    FunctionStep,
    Parameter,
    Retries,
    Secret,
    SweepStep,
    Volume,
    step_faults,
)
from fairlead.specs.volumes import Csi


def faults(kind: type = FunctionStep, **fields: Any) -> list[str]:
    basis: dict[type, dict[str, Any]] = {
        FunctionStep: {"function": "m:a"},
        ContainerStep: {"image": "busybox", "command": ("true",)},
        SweepStep: {"trial": "a", "space": {"x": space.uniform(0, 1)}, "metric": "m", "direction": "maximize"},
    }
    return [str(each) for each in step_faults(kind(**{"name": "a", **basis[kind], **fields}))]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, []),
        ({"name": "2x"}, ["name: a name is letters, digits, '_' and '-', and begins with a letter or '_': got '2x'"]),
        ({"function": "nothing"}, ["function: must be module:qualified.name, got 'nothing'"]),
        (
            {"function": "m:outer.<locals>.inner"},
            ["function: is defined inside outer(), where another process can't find it; move it to the top level"],
        ),
        ({"parameters": (Parameter(name="x"), Parameter(name="x"))}, ["parameters.x: is there twice"]),
        ({"timeout": "soon"}, ["timeout: 'soon' is no duration: write a number of seconds, or '90s', '15m', '2h', '1h30m'"]),
        ({"timeout": 0}, ["timeout: 0 is no duration: write a number of seconds, or '90s', '15m', '2h', '1h30m'"]),
        ({"retries": Retries(user=-1, infrastructure=-2)}, ["retries.user: must be 0 or more, got -1", "retries.infrastructure: must be 0 or more, got -2"]),
        ({"retries": Retries(factor=0.5)}, ["retries.factor: must be at least 1, got 0.5"]),
        ({"retries": Retries(factor=math.nan)}, ["retries.factor: must be at least 1, got nan"]),
        ({"retries": Retries(backoff="x", backoff_max="y")}, [
            "retries.backoff: 'x' is no duration: write a number of seconds, or '90s', '15m', '2h', '1h30m'",
            "retries.backoff_max: 'y' is no duration: write a number of seconds, or '90s', '15m', '2h', '1h30m'",
        ]),
        ({"environment": Environment(variables={"1A": "", "FAIRLEAD_RUN": ""})}, [
            "environment.variables.1A: is no name for an environment variable",
            "environment.variables.FAIRLEAD_RUN: names that begin with FAIRLEAD_ are set by Fairlead",
        ]),
        ({"environment": Environment(variables={"A": ""}, secrets=(Secret(name="s", key="k", variable="A"),))}, [
            "environment.variables.A: is set twice, as a variable and as a secret",
        ]),
        ({"labels": {"-a": "x", "b": "a b"}}, [
            "labels.-a: is no Kubernetes label key",
            "labels.b: 'a b' is no Kubernetes label value: at most 63 of letters, digits, '-', '_', '.'",
        ]),
        ({"volumes": (
            Volume(name="a/b", path="/a", claim="x/y", storage_class="fast", lasts="run"),
            Volume(name="b", path="/b", csi=Csi(driver=""), sub_path="../c"),
            Volume(name="c", path="/c", size="1Gi", read_only=True, sub_path="/c"),
            Volume(name="d", path="/d", size="1Gi", claim="d"),
        )}, [
            "volumes[0].name: a name is letters, digits, '_' and '-', and begins with a letter or '_': got 'a/b'",
            "volumes[0].claim: 'x/y' can't be the name of a claim",
            "volumes[0].storage_class: is of a claim that is made: give its size",
            "volumes[0].lasts: is of a claim that is made: give its size",
            "volumes[1].sub_path: must be a folder of the volume, got '../c'",
            "volumes[1].csi.driver: must be the name of a CSI driver",
            "volumes[2].read_only: a new volume of one pod is empty: the step must be able to write to it",
            "volumes[2].sub_path: must be a folder of the volume, got '/c'",
            "volumes[3]: needs one of claim (an existing one), size (a new one) and csi (what a driver mounts)",
        ]),
        ({"volumes": (Volume(name="v", path="data"), Volume(name="w", path="/w", size="big"))}, [
            "volumes[0].path: must be absolute, got 'data'",
            "volumes[0]: needs one of claim (an existing one), size (a new one) and csi (what a driver mounts)",
            "volumes[1].size: 'big' is no byte quantity: write a number and one of Ki, Mi, Gi, Ti, Pi, Ei, k, M, G, T, P, E",
        ]),
        ({"resources": Resources(cpu="x", memory="y", gpus="A1000:1", disk=0, shared_memory="z")}, [
            "resources.cpu: 'x' is no CPU quantity: write cores (2, 0.5) or millicores ('500m')",
            "resources.memory: 'y' is no byte quantity: write a number and one of Ki, Mi, Gi, Ti, Pi, Ei, k, M, G, T, P, E",
            "resources.gpus: unknown accelerator 'A1000'; did you mean 'A100-80GB' or 'A100-40GB' or 'A10'?",
            "resources.disk: 0 is no byte quantity: it must be above zero",
            "resources.shared_memory: 'z' is no byte quantity: write a number and one of Ki, Mi, Gi, Ti, Pi, Ei, k, M, G, T, P, E",
        ]),
    ],
)  # fmt: skip
def test_every_fault_of_a_step_is_named(fields: dict[str, Any], said: list[str]) -> None:
    found = faults(**fields)
    assert len(found) == len(said)
    for one, other in zip(found, said, strict=True):
        assert one == other or (
            "did you mean" in other and one.startswith(other.partition("; ")[0] + "; did you mean 'A1")
        )


def test_faults_of_every_part_come_together() -> None:
    found = faults(
        name="", function="", timeout="x", resources=Resources(cpu="x"), runtime=Torch(nodes=0), labels={"": ""}
    )
    assert [each.partition(":")[0] for each in found] == [
        "name",
        "function",
        "resources.cpu",
        "runtime.nodes",
        "timeout",
        "labels.",
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"command": ()}, ["command: must have at least one word"]),
        ({"image": ""}, ["image: must be given"]),
        ({"parameters": (Parameter(name="a-b"), Parameter(name="output"))}, [
            "parameters.a-b: can't name an input: write a Python name other than 'output'",
            "parameters.output: can't name an input: write a Python name other than 'output'",
        ]),
    ],
)  # fmt: skip
def test_every_fault_of_a_container_is_named(fields: dict[str, Any], said: list[str]) -> None:
    assert faults(ContainerStep, **fields) == said


@pytest.mark.parametrize(
    ("dimension", "said"),
    [
        (space.uniform(0, 1), None),
        (space.uniform(1, 1), None),
        (space.integers(1, 8, step=2), None),
        (space.choice(["a", None, 1]), None),
        (space.uniform(1, 0), "low must not be above high, got low=1, high=0"),
        (space.uniform(0, math.inf), "low and high must be finite, got low=0, high=inf"),
        (space.loguniform(math.nan, 1), "low and high must be finite, got low=nan, high=1"),
        (space.loguniform(0, 1), "a logarithmic range must be above zero, got low=0"),
        (space.integers(0, 8, log=True), "a logarithmic range must be above zero, got low=0"),
        (space.integers(1, 8, step=2, log=True), "a logarithmic range has no steps"),
        (space.uniform(0, 1, step=0), "step must be above zero, got 0"),
        (space.integers(1.5, 8), "a range of whole numbers has whole bounds and steps, got low=1.5, high=8, step=None"),  # type: ignore[arg-type]
        (space.choice([]), "must have at least one choice"),
        (Dimension(type="float", low=1), "needs low and high"),
    ],
)
def test_every_fault_of_a_dimension_is_named(dimension: Dimension, said: str | None) -> None:
    assert faults(SweepStep, space={"x": dimension}) == ([] if said is None else [f"space.x: {said}"])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"space": {}}, ["space: must have at least one dimension"]),
        ({"trials": 0, "parallel": -1}, ["trials: must be at least 1, got 0", "parallel: must be at least 1, got -1"]),
        ({"sampler": "tpee"}, ["sampler: unknown sampler 'tpee'; did you mean 'tpe'?"]),
        ({"pruner": "medain"}, ["pruner: unknown pruner 'medain'; did you mean 'median'?"]),
        ({"sampler": "hunch"}, ["sampler: unknown sampler 'hunch'; known: cmaes, gp, grid, qmc, random, tpe"]),
        ({"sampler": "grid"}, ["space.x: has no grid: give choices, or uniform(low, high, step=…)"]),
        ({"metric": ""}, ["metric: must be the name under which a trial logs its objective"]),
    ],
)
def test_every_fault_of_a_sweep_is_named(fields: dict[str, Any], said: list[str]) -> None:
    assert faults(SweepStep, **fields) == said


MADE: dict[str, Runtime] = {
    "single": runtimes.single(), "torch": runtimes.torch(2), "jax": runtimes.jax(2), "tensorflow": runtimes.tensorflow(2),
    "mpi": runtimes.mpi(2), "ray": runtimes.ray(2), "spark": runtimes.spark(2), "dask": runtimes.dask(2), "xgboost": runtimes.xgboost(2),
    "standing": runtimes.ray(cluster="shared"),
}  # fmt: skip


def test_there_is_a_function_for_every_kind_of_runtime() -> None:
    assert {name: kind_of(each) for name, each in MADE.items()} == {name: name for name in ROLES}
    assert [list(runtime_faults(each)) for each in MADE.values()] == [[]] * len(MADE)


@pytest.mark.parametrize("kind", ROLES)
def test_a_role_that_a_runtime_does_not_have_is_refused_with_those_it_has(kind: str) -> None:
    runtime = msgspec.structs.replace(MADE[kind], roles={"boss": Role(count=0, resources=Resources(memory="x"))})
    path, message = next(iter(runtime_faults(runtime)))
    assert (path, message) == (
        "roles.boss",
        f"the runtime {kind!r} has no such role; its roles: {', '.join(sorted(ROLES[kind])) or 'none'}",
    )
    assert [each.path for each in runtime_faults(runtime)] == [
        "roles.boss",
        "roles.boss.count",
        "roles.boss.resources.memory",
    ]


@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        (runtimes.torch(nodes=0, processes_per_node=-1), ["nodes: must be at least 1, got 0", "processes_per_node: must be at least 1, got -1"]),
        (runtimes.torch(nodes=2, nodes_min=3), ["nodes_min: must lie between 1 and nodes (2), got 3"]),
        (runtimes.torch(nodes=2, nodes_min=0), ["nodes_min: must lie between 1 and nodes (2), got 0"]),
        (runtimes.ray(workers=0), ["workers: must be at least 1, got 0"]),
        (runtimes.spark(executors=0), ["executors: must be at least 1, got 0"]),
        (runtimes.dask(cluster="Shared"), ["cluster: 'Shared' can't be the name of one: lower-case letters, digits and hyphens, a letter first, 53 at most; or NAMESPACE/NAME"]),
    ],
)  # fmt: skip
def test_a_runtime_counts_from_one(runtime: Runtime, said: list[str]) -> None:
    assert [str(each) for each in runtime_faults(runtime)] == said


def test_a_role_has_resources_of_its_own() -> None:
    runtime = runtimes.spark(4, roles={"driver": runtimes.role(memory="8Gi", cpu="500m")})
    assert (runtime.roles["driver"].resources.memory_bytes, runtime.roles["driver"].resources.cpu_millis) == (
        8 * 2**30,
        500,
    )


def test_resources_are_read_and_have_defaults() -> None:
    assert (Resources().cpu_millis, Resources().memory_bytes, Resources().accelerator) == (
        DEFAULT_CPU_MILLIS,
        None,
        None,
    )
    accelerator = Resources(gpus="A100:2").accelerator
    assert accelerator is not None
    assert accelerator.count == 2


def test_pauses_grow_to_the_longest() -> None:
    retries = Retries(user=3000, backoff="1s", factor=2.0, backoff_max="5m")
    assert [retries.pause_s(retry) for retry in (1, 2, 3, 9, 10, 3000)] == [1, 2, 4, 256, 300, 300]


def test_a_timeout_is_read_in_seconds() -> None:
    assert FunctionStep(name="a", function="m:a", timeout="1h30m").timeout_s == 5400
    assert FunctionStep(name="a", function="m:a").timeout_s is None
