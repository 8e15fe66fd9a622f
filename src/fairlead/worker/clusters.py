"""The cluster of a framework on this machine, for the time of one step.

The user's code is as on a real cluster, ``ray.init()``, ``SparkSession.builder.getOrCreate()`` or ``Client()``, and
finds one that is as large as the step says. What each framework reads for that is set here.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec

from fairlead.errors import FairleadError
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import ClusterRuntime, Dask, Ray, Spark, Standing, kind_of
from fairlead.specs.steps import Step

PACKAGES: Mapping[str, str] = {"ray": "ray", "spark": "pyspark", "dask": "distributed"}
"""The package that a step needs, by the kind of its runtime."""


class MissingFramework(FairleadError):
    """A step has a runtime of a framework that its environment does not hold."""


@contextmanager
def cluster_here(step: Step) -> Iterator[None]:
    """Give a step what its framework calls a cluster, as processes of this machine.

    What stands for a cluster that others share is as large as the step itself.

    Raises:
        MissingFramework: It is not installed.
    """
    runtime, resources = step.runtime, step.resources
    assert isinstance(runtime, ClusterRuntime | Standing)
    check_installed(step)
    before = dict(os.environ)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # the user's modules, in its processes too
    try:
        match runtime:
            case Ray():
                cluster = _ray(runtime, resources)
            case Standing(framework="ray"):
                cluster = _ray_of([(resources, 1)])
            case Spark():
                cluster = _spark(runtime, resources)
            case Dask():
                cluster = _dask(runtime.workers, runtime.resources_of("worker", resources))
            case Standing():
                cluster = _dask(1, resources)
        with cluster:
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def check_installed(step: Step) -> None:
    """Raise `MissingFramework` where the framework of a step's runtime is not there."""
    kind = step.runtime.framework if isinstance(step.runtime, Standing) else kind_of(step.runtime)
    package = PACKAGES.get(kind)
    if package is not None and find_spec(package) is None:
        raise MissingFramework(
            f"step {step.name!r} has the runtime {kind!r}, and there is no {package!r} to import",
            where=f"Python {sys.version.split()[0]}, {sys.executable}",
            why="the framework is not installed there",
            next=f"install it (pip install {package}), add it to the step's image, or name it in packages=[…]",
        )


def _ray(runtime: Ray, resources: Resources) -> AbstractContextManager[None]:
    return _ray_of([(runtime.resources_of(role, resources), count) for role, count in runtime.nodes_by_role.items()])


@contextmanager
def _ray_of(nodes: list[tuple[Resources, int]]) -> Iterator[None]:
    """Have Ray start as large as declared, whenever the user's code makes it start; its files are removed after it."""
    cores = math.ceil(sum(each.cpu_millis * count for each, count in nodes) / 1000)  # Ray takes whole ones only
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # the sockets in it have names of at most 107 bytes
    os.environ |= {"RAY_TMPDIR": folder, "RAY_OVERRIDE_RESOURCES": json.dumps({"CPU": cores})}
    try:
        yield
    finally:
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _spark(runtime: Spark, resources: Resources) -> Iterator[None]:
    """Have Spark start with as many threads as its executors have cores; theirs and the driver's memory is one's."""
    executor, driver = runtime.resources_of("executor", resources), runtime.resources_of("driver", resources)
    cores = max(1, runtime.executors * executor.cpu_millis // 1000)
    memory = (driver.memory_bytes or 0) + (executor.memory_bytes or 0) * runtime.executors
    options = [f"--master local[{cores}]", "--conf spark.ui.enabled=false"]
    options += [f"--driver-memory {memory * 6 // 10 >> 20}m"] if memory else []  # Python and the JVM's rest need some
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    os.environ.setdefault("PYSPARK_SUBMIT_ARGS", " ".join([*options, "pyspark-shell"]))
    try:
        yield
    finally:
        if "pyspark" in sys.modules and (session := sys.modules["pyspark.sql"].SparkSession.getActiveSession()):
            session.stop()


@contextmanager
def _dask(workers: int, each: Resources) -> Iterator[None]:
    """Start a scheduler and workers, which a `Client` without an address finds."""
    import dask
    from distributed import LocalCluster

    threads, memory = max(1, each.cpu_millis // 1000), each.memory_bytes or 0
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=threads, memory_limit=memory, dashboard_address=None
        ) as cluster,
        dask.config.set(scheduler_address=cluster.scheduler_address),
    ):
        yield
