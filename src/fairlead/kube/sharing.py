"""One watch for everybody who wants the same objects in the same form."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from fairlead.kube.client import Client, Labels, selector
from fairlead.kube.resources import Kind
from fairlead.kube.watching import PACE, Pace, Watch


class _Wanted(NamedTuple):
    kind: Kind
    namespace: str | None
    labels: str
    fields: str
    metadata_only: bool
    shape: Any
    project: Callable[[Any], Any] | None


class Watches:
    """The watches of one cluster. Threads share it.

    Args:
        client: The cluster.
        pace: How long streams last, and pauses.
    """

    def __init__(self, client: Client, *, pace: Pace = PACE) -> None:
        self._client, self._pace = client, pace
        self._lock = threading.Lock()
        self._watches: dict[_Wanted, Watch] = {}
        self._users: dict[_Wanted, int] = {}

    @contextmanager
    def of(
        self,
        kind: Kind,
        *,
        namespace: str | None = None,
        labels: Labels = "",
        fields: str = "",
        metadata_only: bool = False,
        shape: Any = dict[str, Any],
        project: Callable[[Any], Any] | None = None,
    ) -> Iterator[Watch]:
        """Have a watch, which began with its first user and ends with its last; arguments are those of `Watch`."""
        wanted = _Wanted(kind, namespace, selector(labels), fields, metadata_only, shape, project)
        with self._lock:
            if wanted not in self._watches:
                self._watches[wanted] = self._started(wanted)
            watch = self._watches[wanted]
            self._users[wanted] = self._users.get(wanted, 0) + 1
        try:
            yield watch
        finally:
            with self._lock:
                self._users[wanted] -= 1
                unused = not self._users[wanted]
                if unused:
                    del self._watches[wanted], self._users[wanted]
            if unused:
                watch.close()

    def _started(self, wanted: _Wanted) -> Watch:
        kind, namespace, labels, fields, metadata_only, shape, project = wanted
        return Watch(
            self._client,
            kind,
            namespace=namespace,
            labels=labels,
            fields=fields,
            metadata_only=metadata_only,
            shape=shape,
            project=project,
            pace=self._pace,
        ).start()
