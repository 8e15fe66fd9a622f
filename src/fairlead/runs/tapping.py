"""Tapping the pods of a run while it is followed: what they write is here within a second, before the store has it.

The bytes go to files of this process, where `fairlead.runs.logs` looks first; afterwards the store is what counts.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fairlead.errors import ClusterError
from fairlead.kube.client import Client
from fairlead.kube.mirror import Event
from fairlead.kube.resources import POD
from fairlead.kube.watching import Watch
from fairlead.runs.clusters import open_place
from fairlead.store.backends import Backend, list_all
from fairlead.store.history import read_spec
from fairlead.store.layout import Task, parse_task, run_prefix
from fairlead.store.opened import Store
from fairlead.targets import naming
from fairlead.targets.podstatus import WatchedPod, has_begun, main_container

_BLOCK = 64 << 10


@contextmanager
def tapped(store: Store, context: str, run: str) -> Iterator[None]:
    """Have the logs of a run's pods come to this machine while they are written.

    Args:
        store: The store whose logs are read; it reads them from here until the end of the block.
        context: The context that the run is in.
        run: The run's id.
    """
    place = open_place(context)
    with tempfile.TemporaryDirectory(prefix="fairlead-logs-") as folder, store.spooling_in(Path(folder)):
        tap = _Tap(place.client, place.namespace, store, run)
        own = {naming.RUN: run}
        with Watch(place.client, POD, namespace=place.namespace, labels=own, shape=WatchedPod) as pods:
            pods.listen(tap.changed)
            yield


class _Tap:
    def __init__(self, client: Client, namespace: str, store: Store, run: str) -> None:
        self._client = client
        self._namespace = namespace
        self._store = store
        self._run = run
        self._graph = read_spec(store.backend, run).graph
        self._seen: set[str] = set()

    def changed(self, event: Event) -> None:
        """Begin to read a pod's log when its step has begun."""
        pod = event.object
        uid = pod["metadata"]["uid"]
        if event.type == "DELETED" or uid in self._seen or not has_begun(pod):
            return
        self._seen.add(uid)
        threading.Thread(target=self._read, args=(pod,), name=f"log of {uid}", daemon=True).start()

    def _read(self, pod: dict[str, Any]) -> None:
        task = self._task(pod)
        if task is None:
            return
        path = self._store.log_path(self._run, task)
        path.parent.mkdir(parents=True, exist_ok=True)
        name, container = pod["metadata"]["name"], main_container(pod)
        with (
            suppress(ClusterError, FileNotFoundError),  # the store has it later
            self._client.logs(name, namespace=self._namespace, container=container, follow=True) as stream,
            open(path, "wb", buffering=0) as file,
        ):
            for chunk in stream.chunks():
                file.write(chunk)

    def _task(self, pod: dict[str, Any]) -> Task | None:
        """Return the attempt whose output a pod's is, or None where it has no output of its own."""
        annotations = pod["metadata"].get("annotations", {})
        if naming.GANG in annotations:
            gang, node = parse_task(annotations[naming.GANG]), naming.gang_node(pod)
            return None if node is None else gang._replace(rank=node)
        key = naming.instance_of(pod, self._graph)
        return None if key is None else Task(*key, _newest(self._store.backend, self._run, *key))


def _newest(backend: Backend, run: str, step: str, index: int) -> int:
    """Return the number of the newest attempt of an instance."""
    prefix = run_prefix(run) + "starts/"
    own = f"{prefix}{step}.{index}."
    numbers = [1]
    for entry in list_all(backend, prefix, own):
        if not entry.key.startswith(own):
            break
        task = parse_task(entry.key[len(prefix) :])
        if (task.step, task.index) == (step, index):  # a driver's calls begin as it does
            numbers.append(task.number)
    return max(numbers)
