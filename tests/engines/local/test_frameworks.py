"""Ray, Spark and Dask really, each in its local mode, in an environment that has them: ``make test-components``."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engines.local.driving import SOURCE, wait_for
from fairlead.runs.results import flow_result
from fairlead.specs.reports import RunReport
from fairlead.store.opened import Store
from servers.processes import free_port
from testbed.operators import python_environment

pytestmark = [pytest.mark.components, pytest.mark.timeout(900)]

HELPER = """
import os

def square(x):
    return os.getpid(), x * x

class Pair:
    def __init__(self, one):
        self.one = one

def twice_of(pair):
    return Pair(2 * pair.one)
"""
FLOW = """
from fairlead import flow, runtimes, step
from helper import Pair, square, twice_of

def summed(found):
    return {"total": sum(square for _, square in found), "processes": len({process for process, _ in found})}

@step(runtime=runtimes.ray(workers=2), cpu=1, cache=False)
def by_ray(count: int) -> dict:
    import ray
    ray.init()
    each = ray.remote(square)
    return summed(ray.get([each.remote(x) for x in range(count)])) | {"cores": ray.cluster_resources()["CPU"]}

@step(runtime=runtimes.dask(workers=2), cpu=2, memory="1Gi", cache=False)
def by_dask(count: int) -> dict:
    from distributed import Client
    with Client() as client:
        workers = client.scheduler_info()["workers"].values()
        found = client.gather(client.map(square, range(count), pure=False))
        return summed(found) | {"cores": sum(each["nthreads"] for each in workers), "memory": {each["memory_limit"] for each in workers}.pop()}

@step(runtime=runtimes.spark(executors=3), cpu=1, memory="1Gi", cache=False)
def by_spark(count: int) -> dict:
    from pyspark.sql import SparkSession
    context = SparkSession.builder.getOrCreate().sparkContext
    found = context.parallelize(range(count), 6).map(square).collect()
    return summed(found) | {"cores": context.defaultParallelism, "memory": context.getConf().get("spark.driver.memory")}

@step(runtime=runtimes.ray(workers=1), cpu=1, cache=False)
def broken() -> None:
    import ray
    ray.init()
    raise ValueError("no luck")

@step(runtime=runtimes.ray(cluster="shared"), cpu=1, cache=False)
def into_ray(count: int) -> dict:
    import ray
    ray.init()
    each = ray.remote(square)
    found = summed(ray.get([each.remote(x) for x in range(count)]))
    return found | {"cores": ray.cluster_resources()["CPU"]}

@step(runtime=runtimes.dask(cluster="shared"), cpu=1, cache=False)
def into_dask(count: int) -> dict:
    from distributed import Client
    with Client() as client:
        client.wait_for_workers(1)
        workers = client.scheduler_info()["workers"].values()
        found = summed(client.gather(client.map(square, range(count), pure=False)))
        twice = client.submit(twice_of, Pair(3)).result()
        assert type(twice) is Pair and twice.one == 6
        assert next(iter(client.run(square, 3).values()))[1] == 9
    return found | {"cores": sum(each["nthreads"] for each in workers)}

@flow
def with_standing_ray(count: int = 20):
    return into_ray(count)

@flow
def with_standing_dask(count: int = 20):
    return into_dask(count)

@flow
def with_ray(count: int = 20):
    return by_ray(count)

@flow
def with_dask(count: int = 20):
    return by_dask(count)

@flow
def with_spark(count: int = 20):
    return by_spark(count)

@flow
def breaking():
    broken()
"""


class Bench:
    """Runs flows in an environment with the three frameworks."""

    def __init__(self, folder: Path) -> None:
        (folder / "pyproject.toml").touch()
        (folder / "helper.py").write_text(HELPER)
        (folder / "flow.py").write_text(FLOW)
        self.folder, self.home = folder, folder / "home"
        self.store = Store(str(self.home), self.home / "host")

    def __call__(self, flow: str, **variables: str) -> RunReport:
        outside = {"PYTHONPATH": SOURCE, "FAIRLEAD_HOME": str(self.home), "HOME": str(self.folder), **variables}
        python = python_environment("frameworks") / "bin/python"
        command = [python, "-m", "fairlead", "run", f"{self.folder}/flow.py:{flow}", "--relax", "--quiet", "-o", "json"]
        done = subprocess.run(command, env=os.environ | outside, capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        return msgspec.json.decode(done.stdout.encode(), type=RunReport)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(
    ("flow", "facts"),
    [
        pytest.param("with_ray", {"cores": 3.0}, marks=pytest.mark.components("ray")),
        pytest.param("with_dask", {"cores": 4, "memory": 1 << 30}, marks=pytest.mark.components("distributed")),
        pytest.param("with_spark", {"cores": 3, "memory": "2457m"}, marks=pytest.mark.components("pyspark")),
    ],
)  # fmt: skip
def test_a_framework_finds_a_cluster_as_large_as_the_step_says_and_leaves_nothing(
    flow: str, facts: dict[str, Any], bench: Bench
) -> None:
    if flow == "with_spark":
        assert shutil.which("java"), "Spark needs a Java runtime: install one, a JRE 17 for instance"
    before = set(Path("/tmp").glob("ray-*"))
    report = bench(flow)
    assert report.status == "succeeded", report.steps[0].attempts
    result = flow_result(bench.store, report.run)
    assert result.pop("total") == sum(x * x for x in range(20))
    assert result.pop("processes") >= 1
    assert result == facts
    assert set(Path("/tmp").glob("ray-*")) == before
    wait_for(lambda: not left_of(bench.folder))


@pytest.mark.parametrize(("framework", "cores"), [("dask", 1), ("ray", 1.0)])
def test_what_stands_for_a_cluster_that_others_share_is_as_large_as_the_step(
    framework: str, cores: float, bench: Bench
) -> None:
    report = bench(f"with_standing_{framework}")
    assert report.status == "succeeded", report.steps[0].attempts
    assert flow_result(bench.store, report.run)["cores"] == cores
    wait_for(lambda: not left_of(bench.folder))


@contextmanager
def started(folder: Path, *commands: list[str]) -> Iterator[None]:
    """Run commands of the environment beside a test, which know nothing of its project."""
    away = folder / "away"
    away.mkdir()
    python = python_environment("frameworks") / "bin/python"
    outside = {"HOME": str(away), "PYTHONPATH": ""}
    running = [subprocess.Popen([python, "-m", *words], env=os.environ | outside, cwd=away) for words in commands]
    try:
        yield
    finally:
        for each in reversed(running):
            each.terminate()
        for each in running:
            each.wait(60)


def test_a_step_sends_functions_and_classes_to_where_the_environment_says(bench: Bench) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    scheduler = ["distributed.cli.dask_scheduler", "--host=127.0.0.1", f"--port={port}", "--no-dashboard"]
    worker = ["distributed.cli.dask_worker", address, "--nthreads=3", "--no-dashboard"]
    with started(bench.folder, scheduler, worker):
        report = bench("with_standing_dask", DASK_SCHEDULER_ADDRESS=address)
        assert report.status == "succeeded", report.steps[0].attempts
        assert flow_result(bench.store, report.run) == {"total": 2470, "processes": 1, "cores": 3}


def test_a_step_that_fails_leaves_no_cluster(bench: Bench) -> None:
    report = bench("breaking")
    (attempt,) = report.steps[0].attempts
    assert attempt.error is not None
    assert (report.status, attempt.error.type, attempt.error.message) == ("failed", "ValueError", "no luck")
    wait_for(lambda: not left_of(bench.folder))


def left_of(folder: Path) -> list[str]:
    """Return the commands of the processes that were started with a home, and still run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"HOME={folder}\0".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it has ended
            continue
    return found
