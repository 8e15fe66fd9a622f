"""Sending work into a cluster of a framework that somebody keeps: what the user's code finds by its address.

The nodes of such a cluster have nothing of the step: no code, no packages, no Fairlead. Functions and classes of the
project travel by value, as those of a script or a notebook do, so that nothing of one step is left there for another.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from fairlead.errors import FairleadError
from fairlead.packaging.project import is_own
from fairlead.specs.runtimes import Standing
from fairlead.specs.steps import Step
from fairlead.worker.clusters import check_installed

PATIENCE_S = 60.0
"""Seconds that a cluster is given to answer: it may just be starting."""


class NoCluster(FairleadError):
    """A step is sent into a cluster that does not answer."""


@contextmanager
def sending(step: Step, runtime: Standing, root: str, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Have what a step gives to its framework reach the cluster whose address the environment has.

    Args:
        step: The step.
        runtime: How it names the cluster.
        root: The project's root.
        patience_s: Seconds that the cluster is given to answer.

    Raises:
        MissingFramework: The framework is not installed here.
        NoCluster: The cluster does not answer.
    """
    check_installed(step)
    _reach(step, runtime, os.environ[runtime.variable], patience_s)
    pickling = _pickling(runtime)
    for module in own_modules(root):
        pickling.register_pickle_by_value(module)
    try:
        yield
    finally:
        if runtime.framework == "ray":
            sys.modules["ray"].shutdown()


def _reach(step: Step, runtime: Standing, address: str, patience_s: float) -> None:
    place = urlsplit(address)
    if place.hostname is None or place.port is None:  # a word of the framework's own, which somebody has set
        return
    until = time.monotonic() + patience_s
    while True:
        try:
            socket.create_connection((place.hostname, place.port), timeout=max(1.0, patience_s)).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                raise NoCluster(
                    f"step {step.name!r} is sent into the cluster {runtime.cluster!r}, which does not answer",
                    where=address,
                    why=error.strerror or str(error),
                    next=f"have it started, or give the step one of its own: runtimes.{runtime.framework}(workers=…)",
                ) from error
        time.sleep(1)


def own_modules(root: str) -> list[ModuleType]:
    """Return the modules of the project with a root that are imported."""
    found = [each for each in sys.modules.values() if is_own(getattr(each, "__file__", None) or "", root)]
    return [each for each in found if sys.modules.get(each.__name__) is each]


def _pickling(runtime: Standing) -> Any:
    """Return the module that pickles for the framework."""
    if runtime.framework == "ray":
        import ray.cloudpickle

        return ray.cloudpickle
    return _pickling_of_dask()


def _pickling_of_dask() -> Any:
    """Have Dask ask cloudpickle first: functions in a graph it would take by name without asking."""
    import cloudpickle
    from distributed.protocol import register_serialization_family
    from distributed.protocol.serialize import pickle_loads

    def dumps(value: Any) -> tuple[dict[str, Any], list[Any]]:
        buffers: list[memoryview] = []
        pickled = cloudpickle.dumps(value, buffer_callback=lambda each: buffers.append(memoryview(each)))
        return {"serializer": "pickle", "writeable": tuple(not each.readonly for each in buffers)}, [pickled, *buffers]

    register_serialization_family("pickle", dumps, pickle_loads)
    return cloudpickle
