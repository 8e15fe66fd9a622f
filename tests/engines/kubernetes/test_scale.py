"""A run of thousands of nodes through Argo's controller, whose pods are simulated: nothing of them is executed.

The test plays their workers and writes their records. The pods that create the parts, and the last one, are real.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engines.local.driving import Driver, flags
from fairlead.kube.client import Client
from fairlead.kube.mirror import Event
from fairlead.kube.resources import POD, WORKFLOW
from fairlead.kube.watching import Watch
from fairlead.runs.clusters import open_place
from fairlead.runs.home import home
from fairlead.specs.contexts import Context
from fairlead.store.backends import Backend
from fairlead.store.layout import Task, attempt_key
from fairlead.store.opened import Store
from fairlead.store.records import AttemptRecord, encode
from fairlead.targets import naming
from fairlead.targets.workflow import BYTES_MAX
from testbed.simulation import Simulation

pytestmark = [pytest.mark.components("kwok"), pytest.mark.timeout(6000)]

GROWN_MAX = 512 << 10
"""Bytes that no object grows to: a third of what etcd takes."""
FLOW = """
from fairlead import flow, step
from fairlead.specs.steps import Overlay

@step(cpu=0.1, memory="64Mi", cache=False, overlays=[Overlay(kind="Pod", patch={placement})])
def link(x: int, after: int = 0) -> int:
    return x

@step(cpu=0.1, memory="64Mi", cache=False, overlays=[Overlay(kind="Pod", patch={placement})])
def join(xs: list[int]) -> int:
    return len(xs)

@flow
def chains(width: int, length: int):
    ends = []
    for number in range(width):
        x = link(number)
        for _ in range(length - 1):
            x = link(x)
        ends.append(x)
    return join(ends)
"""


class Workers:
    """Writes the record of each step's pod as soon as the pod is there: simulated pods have no workers."""

    def __init__(self, backend: Backend) -> None:
        self.pods = 0
        self.nodes: set[int] = set()
        self._backend = backend

    def __call__(self, event: Event) -> None:
        metadata = event.object["metadata"]
        if event.type != "ADDED" or naming.NODE not in metadata["labels"]:
            return
        number = int(metadata["labels"][naming.NODE])
        step = metadata["labels"][naming.STEP]
        record = AttemptRecord(
            step=step, index=0 if step == "join" else number, number=1, status="succeeded",
            started=time.time(), finished=time.time(),
        )  # fmt: skip
        self._backend.create(
            attempt_key(metadata["labels"][naming.RUN], Task(record.step, record.index, 1)), encode(record)
        )
        self.pods += 1
        self.nodes.add(number)


@contextmanager
def recorded(client: Client, namespace: str, backend: Backend) -> Iterator[Workers]:
    """Play the workers of all pods of runs."""
    workers = Workers(backend)
    with Watch(client, POD, namespace=namespace, labels=naming.NODE, metadata_only=True) as pods:
        pods.wait_synced(60)
        pods.listen(workers)
        yield workers


@pytest.mark.parametrize(("width", "length"), [(20, 50), (100, 100)])
def test_a_run_of_thousands_of_nodes_goes_through_in_objects_that_stay_small(
    width: int,
    length: int,
    registered: Context,
    simulation: Simulation,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "flow.py").write_text(FLOW.replace("{placement}", repr(simulation.placement)))
    place = open_place(registered.name)
    store = Store(registered.store, home() / "host")
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with recorded(place.client, place.namespace, store.backend) as workers:
        given = flags({"width": width, "length": length})
        driver = Driver(home(), "run", str(tmp_path / "flow.py"), *given, "-o", "json", store=store)
        try:
            ended = driver.ended(5400)
        finally:
            driver.end()
    wall_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    client_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = place.client.list(WORKFLOW, namespace=place.namespace, labels={naming.RUN: ended.report.run}).items
    grown = [len(naming.as_json(each)) for each in found]
    sent = [len(naming.as_json({**each, "status": {}, "metadata": {}})) for each in found]
    with capsys.disabled():
        print(f"\n{width * length + 1} nodes, {workers.pods} pods, {len(found)} objects: {wall_s:.0f} s; the largest"
              f" {max(sent) >> 10} KiB sent, {max(grown) >> 10} KiB grown; the client that followed it used"
              f" {client_s:.1f} s of CPU, {100 * client_s / wall_s:.1f} % of a core")  # fmt: skip
    root = min(found, key=lambda each: len(each["metadata"]["name"]))  # which takes its parts with it
    place.client.delete(WORKFLOW, root["metadata"]["name"], namespace=place.namespace, propagation="Background")
    assert ended.report.status == "succeeded" and len(workers.nodes) == width * length + 1
    assert len(found) > width * length / 200
    assert max(sent) <= BYTES_MAX and max(grown) <= GROWN_MAX
