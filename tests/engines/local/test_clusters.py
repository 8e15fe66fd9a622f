"""Steps with the cluster of a framework, on this machine. What the frameworks make of it is tested where they are."""

from __future__ import annotations

import os
import socket
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from engines.local.driving import Bench
from fairlead.engines.local.capacity import Amount, Machine, demand
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Dask, Ray, Role, Runtime, Spark, Standing, runtime_faults
from fairlead.specs.steps import FunctionStep
from fairlead.worker.clusters import PACKAGES, MissingFramework, cluster_here
from fairlead.worker.standing import NoCluster, own_modules, sending

GIB = 1 << 30
MACHINE = Machine(Amount(64_000, 256 * GIB, 8))


def step_of(runtime: Runtime, **resources: object) -> FunctionStep:
    return FunctionStep(name="s", function="m:f", runtime=runtime, resources=Resources(**resources))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("runtime", "amount"),
    [
        (Ray(workers=3), Amount(8_000, 16 * GIB, 4)),
        (Spark(executors=3), Amount(8_000, 16 * GIB, 4)),
        (Dask(workers=3), Amount(10_000, 20 * GIB, 5)),
        (Standing(framework="ray", cluster="shared"), Amount(2_000, 4 * GIB, 1)),
        (Ray(workers=3, roles={"head": Role(resources=Resources(cpu="500m", memory="1Gi"))}), Amount(6_500, 13 * GIB, 3)),
    ],
)  # fmt: skip
def test_a_step_takes_what_all_nodes_of_its_cluster_have(runtime: Runtime, amount: Amount) -> None:
    assert demand(step_of(runtime, cpu=2, memory="4Gi", gpus="A100:1"), MACHINE) == amount


def test_a_step_that_declares_nothing_takes_no_more_than_there_is() -> None:
    assert demand(step_of(Ray(workers=99)), MACHINE).cpu_millis == 64_000
    assert demand(step_of(Ray(workers=2)), MACHINE).cpu_millis == 3_000


@pytest.mark.parametrize("runtime", [Ray(), Spark(), Dask()])
def test_how_many_there_are_is_no_affair_of_a_role(runtime: Ray | Spark | Dask) -> None:
    role = next(iter(runtime.nodes_by_role))
    (fault,) = runtime_faults(type(runtime)(roles={role: Role(count=2)}))
    assert fault.path == f"roles.{role}.count"


@pytest.mark.parametrize(
    ("kind", "runtime"),
    [("ray", Ray()), ("spark", Spark()), ("dask", Dask()), ("dask", Standing(framework="dask", cluster="shared"))],
)
def test_a_framework_that_is_missing_is_named(kind: str, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.worker.clusters.find_spec", lambda name: None)
    before = dict(os.environ)
    with pytest.raises(MissingFramework) as missing, cluster_here(step_of(runtime)):
        pass
    assert f"there is no {PACKAGES[kind]!r} to import" in missing.value.what
    assert missing.value.next is not None and f"pip install {PACKAGES[kind]}" in missing.value.next
    assert dict(os.environ) == before


def test_a_cluster_that_does_not_answer_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr("fairlead.worker.clusters.find_spec", lambda name: True)
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", address)
        runtime = Standing(framework="dask", cluster="shared")
        with pytest.raises(NoCluster) as lacking, sending(step_of(runtime), runtime, "/nowhere", patience_s=0):
            pass
    assert "into the cluster 'shared', which does not answer" in lacking.value.what
    assert (lacking.value.where, lacking.value.why) == (address, "Connection refused")
    assert "runtimes.dask(workers=…)" in lacking.value.next


def test_what_travels_by_value_is_the_project_s_and_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_of_it.py").touch()
    (tmp_path / "mine_but_not_yet.py").touch()
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages/of_others.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("mine_of_it", "of_others"):
        monkeypatch.setitem(sys.modules, name, import_module(name))
    assert [each.__name__ for each in own_modules(str(tmp_path))] == ["mine_of_it"]


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed here")
def test_a_step_without_its_framework_fails_and_says_what_to_install(bench: Bench, tmp_path: Path) -> None:
    bench.file.write_text("""
from fairlead import flow, runtimes, step

@step(runtime=runtimes.ray(), cpu="100m", cache=False)
def work() -> int:
    return 1

@flow
def working():
    return work()
""")
    ended = bench.run("working")
    (attempt,) = ended.report.steps[0].attempts
    assert (ended.report.status, attempt.error.type) == ("failed", "MissingFramework")
    assert "pip install ray" in attempt.error.traceback
