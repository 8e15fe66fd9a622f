"""Creating the workflows of a run's parts: of a graph that is too large for one, or of the items of a long list.

``python -m fairlead.engines.kubernetes.inside.parts --run … --node … --workflow … --uid …``

Each is created once all that it needs of other parts has ended, and belongs to the workflow whose pod this is. A pod
that is started again finds those that are there, and goes on.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterable
from types import FrameType
from typing import Any

from fairlead.engines.kubernetes.inside.owning import Owner, create_owned
from fairlead.engines.kubernetes.remaining import counting, counts, is_outdated, left
from fairlead.errors import FairleadError
from fairlead.kube.client import Client
from fairlead.kube.connecting import in_pod
from fairlead.kube.failures import NotFound
from fairlead.kube.resources import WORKFLOW
from fairlead.kube.watching import Watch
from fairlead.specs import graphs
from fairlead.specs.contexts import Submission
from fairlead.specs.status import ENDED
from fairlead.store.backends import Backend
from fairlead.store.history import Recorded, cancel_requests, progress_of, read_compacted, recorded_since
from fairlead.store.known import known_attempts
from fairlead.store.layout import spec_key, submission_key
from fairlead.store.records import RunSpec, decode
from fairlead.targets import naming, workflow
from fairlead.targets.cutting import Part, cut_items, depth_first
from fairlead.targets.orders import Order
from fairlead.targets.tasks import WHOLE
from fairlead.worker.pods.place import identity_parser, open_store

LOOK_S = 1.0
"""Seconds between two looks at the workflows."""
_SYNC_S = 60.0
"""Seconds until the workflows must have been listed once."""
_READ_SHARE = 0.1
"""The most of its time that is spent on reading what ended: with 10,000 records a reading takes seconds."""
_STOPPING_S = 20.0
"""Seconds that stopped workflows are waited for: a pod is given 30 to end."""


class Parts:
    """Creates the parts of a run, or of one node's items, until all have ended.

    Args:
        backend: The store.
        spec: What the run is.
        client: The cluster.
        submission: How the run was submitted.
        owner: The workflow whose pod this is.
        node: The node whose items are cut into parts; `WHOLE` for the graph.
    """

    def __init__(
        self, backend: Backend, spec: RunSpec, client: Client, submission: Submission, owner: Owner, node: int
    ) -> None:
        self._backend = backend
        self._spec = spec
        self._client = client
        self._submission = submission
        self._owner = owner
        compacted = read_compacted(backend, spec.run) if submission.generation > 1 else ()
        self._known = known_attempts(compacted)
        self._workflows = Watch(
            client,
            WORKFLOW,
            namespace=submission.namespace,
            labels={naming.RUN: spec.run, naming.GENERATION: str(submission.generation)},
            metadata_only=True,  # to list them again and again would cost the server seconds: grown, they are large
        )
        self._progress = progress_of(backend, spec, counting(backend, spec.run, self._known))
        self._recorded = Recorded()
        self._read_s = 0.0
        self._read_at = time.monotonic()
        self._asked_to_end = False
        self._waiting = {part.name: part for part in self._cut(node)}
        self._created: dict[str, Part] = {}

    def run(self) -> bool:
        """Create the parts as they can begin, and wait for them; False where this was asked to end."""
        signal.signal(signal.SIGTERM, self._end)
        with self._workflows:
            self._workflows.wait_synced(_SYNC_S)
            while True:
                self._take_in(self._found())
                for part in [each for each in self._waiting.values() if self._may_begin(each)]:
                    self._create(part)
                if not self._waiting and not self._created:
                    return True
                if self._asked_to_end:
                    self._leave()
                    return False
                time.sleep(LOOK_S)

    # What there is -----------------------------------------------------------------------------

    def _cut(self, node: int) -> list[Part]:
        """Return the parts: those of the whole graph or list, so that they are the same whenever this is started."""
        graph = self._spec.graph
        if node == WHOLE:
            return workflow.parts(Order(self._submission, graph, dict.fromkeys(range(len(graph.nodes)))))
        self._give_up(self._before(node))
        return list(cut_items(node, tuple(range(self._progress.count_of(node)))))

    def _found(self) -> dict[str, bool]:
        """Return the parts that have workflows, as far as was told, and whether each has ended."""
        return {
            each["metadata"]["labels"][naming.PART]: workflow.is_completed(each)
            for each in self._workflows.objects().values()
            if naming.PART in each["metadata"]["labels"]
        }

    def _has_ended(self, part: str) -> bool:
        """Say whether a workflow that was not told of has ended: it may be new, or gone."""
        name, namespace = naming.run_name(self._submission, part), self._submission.namespace
        try:
            found = self._client.get(WORKFLOW, name, namespace=namespace, metadata_only=True)
        except NotFound:
            return True
        return workflow.is_completed(found)

    def _take_in(self, found: dict[str, bool]) -> None:
        for name in found.keys() & self._waiting.keys():  # a pod before this one has created it
            self._created[name] = self._waiting.pop(name)
        ended = [
            part for name, part in self._created.items() if (found[name] if name in found else self._has_ended(name))
        ]
        if ended or (self._waiting and time.monotonic() - self._read_at > self._read_s / _READ_SHARE):
            self._read()
        for part in ended:
            self._give_up(part.nodes)
            del self._created[part.name]

    def _read(self) -> None:
        began = time.monotonic()
        for record in recorded_since(self._backend, self._spec.run, self._recorded):
            if not is_outdated(record, self._known):
                self._progress.apply(record)
        self._read_at = time.monotonic()
        self._read_s = self._read_at - began

    def _give_up(self, nodes: Iterable[int]) -> None:
        """Take those for failed that were to have ended, and have left no record."""
        for number in nodes:
            for instance in self._progress.instances_of(number):
                if not instance.ended:
                    self._progress.fail(instance, "its pod left no record")

    def _before(self, node: int) -> list[int]:
        """Return all nodes that a node waits for, each after those that it waits for itself."""
        found: set[int] = set()
        open_ = [node]
        while open_:
            needs = graphs.needs(self._spec.graph.nodes[open_.pop()]) - found
            found |= needs
            open_ += needs
        return sorted(found)

    # What comes of it --------------------------------------------------------------------------

    def _may_begin(self, part: Part) -> bool:
        outside = set().union(*(graphs.needs(self._spec.graph.nodes[number]) for number in part.nodes)) - set(
            part.nodes
        )
        return all(self._progress.status_of(number) in ENDED for number in outside)

    def _create(self, part: Part) -> None:
        """Create the workflow of a part, of which some may have been decided before it began."""
        del self._waiting[part.name]
        opened = {
            number: items if part.nodes[number] is None else _both(part.nodes[number], items)
            for number, items in left(self._progress, depth_first(self._spec.graph, part.nodes)).items()
        }
        nodes = {number: items for number, items in opened.items() if items != ()}
        if not nodes:
            return
        order = Order(self._submission, self._spec.graph, nodes, counts(self._progress, nodes))
        create_owned(self._client, workflow.render_part(order, Part(part.name, nodes)), self._owner)
        self._created[part.name] = part

    # The end -----------------------------------------------------------------------------------

    def _leave(self) -> None:
        """Stop the parts where the run is being stopped; else another pod goes on with them."""
        if not self._is_stopped():
            return
        until = time.monotonic() + _STOPPING_S
        for name in self._created:
            self._client.patch(
                WORKFLOW,
                naming.run_name(self._submission, name),
                {"spec": {"shutdown": "Stop"}},
                namespace=self._submission.namespace,
            )
        while time.monotonic() < until and not all(self._found().values()):
            time.sleep(LOOK_S)

    def _is_stopped(self) -> bool:
        if cancel_requests(self._backend, self._spec.run) > self._submission.cancels_before:
            return True
        found: dict[str, Any] = self._client.get(WORKFLOW, self._owner.name, namespace=self._submission.namespace)
        return "shutdown" in found["spec"]

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_end = True


def _both(chosen: tuple[int, ...] | None, opened: tuple[int, ...] | None) -> tuple[int, ...]:
    assert chosen is not None
    return chosen if opened is None else tuple(sorted(set(chosen) & set(opened)))


def main() -> int:
    """Create the parts that the arguments name; returns the exit code."""
    parser = identity_parser("fairlead-parts")
    parser.add_argument("--node", type=int, required=True)
    for name in ("workflow", "uid"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    try:
        backend = open_store(given.store)
        key, submitted = spec_key(given.run, given.revision), submission_key(given.run, given.generation)
        spec = decode(backend.get(key), RunSpec, key=key)
        submission = decode(backend.get(submitted), Submission, key=submitted)
        owner = Owner(WORKFLOW.api_version, WORKFLOW.kind, given.workflow, given.uid)
        done = Parts(backend, spec, Client(in_pod()), submission, owner, given.node).run()
    except FairleadError as error:  # the edge of the process; another one goes on
        print(f"fairlead: {error}", file=sys.stderr)
        return 1
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
