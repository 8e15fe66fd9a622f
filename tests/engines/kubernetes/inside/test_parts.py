"""The pod that creates the workflows of parts, against a real API server; the test plays controller and pods."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engines.local.driving import wait_for
from fairlead.engines.kubernetes.inside import parts
from fairlead.engines.kubernetes.inside.owning import Owner
from fairlead.engines.kubernetes.inside.parts import Parts
from fairlead.kube.client import Client
from fairlead.kube.resources import WORKFLOW
from fairlead.naming import digest_bytes
from fairlead.specs.contexts import Submission
from fairlead.specs.graphs import Export, Graph, Node, Output
from fairlead.specs.values import Ref
from fairlead.store import claims
from fairlead.store.backends import Folder
from fairlead.store.history import compact, read_observations, write_event
from fairlead.store.layout import Task, attempt_key, object_key
from fairlead.store.records import AttemptRecord, Event, Items, Outcome, RunSpec, encode
from fairlead.targets import naming
from fairlead.targets.cutting import PART_MAX
from fairlead.targets.tasks import WHOLE
from kube.cluster import new_namespace, serving_workflows
from servers.apiserver import ApiServer
from targets.goldens import CONTEXT
from targets.refused import STEP
from targets.test_workflow import chain

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(120)]

RUN = "20261124-080000-abcde"
PARTS = [f"p{number}" for number in range(9)]
"""The parts of a chain of 450."""
Ends = Callable[[int, int], str | None]
"""Returns how an item of a node ends: a status, or None where its pod leaves no record."""


class Site:
    """A namespace with workflows, a store, and somebody who plays controller and pods."""

    def __init__(self, client: Client, folder: Path, graph: Graph) -> None:
        self.client = client
        self.backend = Folder(folder)
        self.graph = graph
        self.spec = RunSpec(run=RUN, created=0.0, graph=graph)
        self.submission = Submission(run=RUN, flow="f", context=CONTEXT, namespace=client.connection.namespace)
        form = {"apiVersion": WORKFLOW.api_version, "kind": WORKFLOW.kind, "spec": {}}
        root = client.create(WORKFLOW, {**form, "metadata": {"name": naming.run_name(self.submission)}})
        self.owner = Owner(WORKFLOW.api_version, WORKFLOW.kind, root["metadata"]["name"], root["metadata"]["uid"])
        self.seen: dict[str, list[tuple[int, int]]] = {}
        self.stopped = threading.Event()

    def parts(self, node: int = WHOLE) -> Parts:
        return Parts(self.backend, self.spec, self.client, self.submission, self.owner, node)

    def workflows(self) -> dict[str, dict[str, Any]]:
        listed = self.client.list(WORKFLOW, labels=naming.PART).items
        return {each["metadata"]["labels"][naming.PART]: each for each in listed}

    def record(self, number: int, item: int, status: str) -> None:
        node = self.graph.nodes[number]
        items = ()
        if node.split:
            data = encode(Items(refs=(Ref(digest="0" * 64, format="json", size_bytes=1),) * 450))
            self.backend.create(object_key(digest_bytes(data)), data)
            items = (Ref(digest=digest_bytes(data), format="items", size_bytes=len(data)),)
        record = AttemptRecord(
            step=node.title, index=node.index + item, number=1, status=status,
            outcome=Outcome(items=items), started=1.0, finished=2.0,
        )  # fmt: skip
        self.backend.create(attempt_key(RUN, Task(record.step, record.index, 1)), encode(record))

    @contextmanager
    def played(self, ends: Ends, *, at_once: int = 100) -> Iterator[None]:
        """Let each workflow end, with records of its tasks, one after the other."""
        thread = threading.Thread(target=self._play, args=(ends,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.stopped.set()
            thread.join(10)

    def _play(self, ends: Ends) -> None:
        while not self.stopped.is_set():
            for name, each in self.workflows().items():
                if name in self.seen:
                    continue
                self.seen[name] = instances = [*_instances(each)]
                for number, item in instances:
                    status = ends(number, item)
                    if status is not None:
                        self.record(number, item, status)
                self.end(each)
            time.sleep(0.05)

    def end(self, found: dict[str, Any]) -> None:
        labels = {"labels": {"workflows.argoproj.io/completed": "true"}}
        self.client.patch(WORKFLOW, found["metadata"]["name"], {"metadata": labels})


def _instances(manifest: dict[str, Any]) -> Iterator[tuple[int, int]]:
    for task in manifest["spec"]["templates"][0]["dag"]["tasks"]:
        number = int(re.fullmatch(r"n(\d+)", task["name"])[1])  # type: ignore[index]
        for item in task.get("withItems", ["0"]):
            yield number, int(item)


@pytest.fixture
def site(api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Graph], Site]]:
    monkeypatch.setattr(parts, "LOOK_S", 0.1)
    client = new_namespace(api_server)
    with serving_workflows(client):
        yield lambda graph: Site(client, tmp_path, graph)


def test_a_long_chain_runs_part_after_part_and_every_workflow_belongs_to_the_runs_own(
    site: Callable[[Graph], Site],
) -> None:
    here = site(chain(450))
    with here.played(lambda number, item: "succeeded"):
        assert here.parts().run()
    assert list(here.seen) == PARTS
    assert [number for each in here.seen.values() for number, _ in each] == list(range(450))
    for each in here.workflows().values():
        assert [owner["uid"] for owner in each["metadata"]["ownerReferences"]] == [here.owner.uid]


def test_what_waits_for_a_failed_node_of_another_part_has_no_workflow(site: Callable[[Graph], Site]) -> None:
    here = site(chain(450))
    with here.played(lambda number, item: "failed" if number == PART_MAX - 1 else "succeeded"):
        assert here.parts().run()
    assert list(here.seen) == ["p0"]


def test_a_node_whose_pod_left_no_record_is_not_waited_for(site: Callable[[Graph], Site]) -> None:
    here = site(chain(450))
    with here.played(lambda number, item: None if number == PART_MAX - 1 else "succeeded"):
        assert here.parts().run()
    assert list(here.seen) == ["p0"]


def test_what_has_succeeded_before_does_not_run_again_and_what_has_failed_before_does(
    site: Callable[[Graph], Site],
) -> None:
    here = site(chain(450))
    for number in range(210):
        here.record(number, 0, "succeeded" if number < 209 else "failed")
    compact(here.backend, RUN, claims.new_claim(1, now=0.0), read_observations(here.backend, RUN))
    here.submission = msgspec.structs.replace(here.submission, generation=2)
    with here.played(lambda number, item: "succeeded"):
        assert here.parts().run()
    assert list(here.seen) == PARTS[4:]
    assert here.seen["p4"][0] == (209, 0)


def test_one_that_is_started_again_finds_the_parts_that_are_there(site: Callable[[Graph], Site]) -> None:
    here = site(chain(450))
    first = here.parts()
    first._take_in(first._found())
    first._create(first._waiting["p0"])
    (before,) = here.workflows().values()
    here.record(0, 0, "succeeded")
    with here.played(lambda number, item: "succeeded"):
        assert here.parts().run()
    assert here.workflows()["p0"]["metadata"]["uid"] == before["metadata"]["uid"]
    assert list(here.seen) == PARTS


def test_a_long_list_is_cut_by_its_length_at_run_time(site: Callable[[Graph], Site]) -> None:
    nodes = (
        Node(step="work", split=(Export(0, ()),)),
        Node(step="work", index=1, each=("x",), inputs={"x": Output(0)}),
    )
    here = site(Graph(flow="f", steps={"work": STEP}, nodes=nodes))
    here.record(0, 0, "succeeded")
    with here.played(lambda number, item: "succeeded"):
        assert here.parts(1).run()
    assert sorted(here.seen) == [f"n1-{number}" for number in range(9)]
    assert sorted(each for found in here.seen.values() for each in found) == [(1, item) for item in range(450)]
    assert max(map(len, here.seen.values())) == PART_MAX


def test_a_list_of_a_node_that_left_no_record_has_no_parts(site: Callable[[Graph], Site]) -> None:
    nodes = (
        Node(step="work", split=(Export(0, ()),)),
        Node(step="work", index=1, each=("x",), inputs={"x": Output(0)}),
    )
    here = site(Graph(flow="f", steps={"work": STEP}, nodes=nodes))
    assert here.parts(1).run()
    assert not here.workflows()


@pytest.mark.parametrize("cancelled", [True, False])
def test_asked_to_end_it_stops_the_parts_of_a_cancelled_run_alone(
    site: Callable[[Graph], Site], cancelled: bool
) -> None:
    here = site(chain(450))
    asked = here.parts()
    if cancelled:
        write_event(here.backend, RUN, Event(kind="cancel", time=2000.0))

    def end_when_stopped() -> None:
        wait_for(lambda: "p0" in here.workflows())
        asked._end(0, None)
        if cancelled:
            wait_for(lambda: here.workflows()["p0"]["spec"].get("shutdown") == "Stop")
            here.end(here.workflows()["p0"])

    thread = threading.Thread(target=end_when_stopped)
    thread.start()
    assert not asked.run()
    thread.join(20)
    assert ("shutdown" in here.workflows()["p0"]["spec"]) == cancelled
