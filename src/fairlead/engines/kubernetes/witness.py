"""Whoever watches pods keeps evidence of those that fare badly, before the cluster forgets them.

Each sighting is an object of the store that is created exclusively, and whose name is made of the pod's uid and of what
had become of it. So any number of watchers leave what one would, and one that is started anew adds what it finds.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from fairlead.engines.kubernetes.evidence import LOG_BYTES, LOG_LINES, evidence_of
from fairlead.engines.kubernetes.known import KnownRun, KnownRuns, attempt_of, generation_of, read_records
from fairlead.errors import ClusterError, FairleadError, StoreError
from fairlead.kube.client import Client
from fairlead.kube.failures import Forbidden
from fairlead.kube.mirror import Event
from fairlead.kube.resources import EVENT, JOB
from fairlead.store.backends import list_all
from fairlead.store.history import cancel_requests
from fairlead.store.layout import Task, evidence_key, evidence_prefix
from fairlead.store.records import encode
from fairlead.targets.podcauses import ENDS, WAITS, Cause, cause, transition
from fairlead.targets.podstatus import listed, main_container

_MOST = 1000
"""Sightings of one run."""
_MOST_WAITS = 200
"""Sightings of one run after which those are left out that only say that a pod waits."""
PATIENCE_S = 180.0
"""For how long it is tried again to keep a sighting while the store or the cluster is away."""
_PAUSE_S = 1.0
LAST_WORDS_S = 5.0
"""How long the end of watching waits for what was seen last to be in the store."""


class _Sighting(NamedTuple):
    pod: dict[str, Any]
    transition: str
    gone: bool
    time: float


class Witness:
    """Keeps evidence in a thread of its own; for use in a ``with``.

    Args:
        client: The cluster.
        runs: The runs whose pods are watched.
        noted: Is told what could not be kept.
        patience_s: For how long it is tried, in seconds.
    """

    def __init__(
        self,
        client: Client,
        runs: KnownRuns,
        *,
        noted: Callable[[str], object] = lambda _: None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._client = client
        self._runs = runs
        self._noted = noted
        self._patience_s = patience_s
        self._sightings: queue.SimpleQueue[_Sighting | None] = queue.SimpleQueue()
        self._seen: dict[str, set[str]] = {}
        self._kept: dict[str, set[str]] = {}
        self._refused: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="fairlead-witness", daemon=True)

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sightings.put(None)
        self._thread.join(LAST_WORDS_S)

    def see(self, event: Event) -> None:
        """Take in what has become of a pod; returns at once, as a watch's listener must."""
        pod, gone = event.object, event.type == "DELETED"
        uid, word = pod["metadata"]["uid"], transition(pod, gone=gone)
        seen = self._seen.setdefault(uid, set())
        if not word and seen & WAITS and not gone:
            word = "eased"
        if word and word not in seen and not (word == "gone" and seen & {"ending", "ended"}):
            seen.add(word)
            self._sightings.put(_Sighting(pod, word, gone, self._client.now()))
        if gone or not seen:
            del self._seen[uid]

    def _run(self) -> None:
        while (sighting := self._sightings.get()) is not None:
            until = time.monotonic() + self._patience_s
            while True:
                try:
                    self._keep(sighting)
                    break
                except FairleadError as failure:
                    if time.monotonic() >= until or not isinstance(failure, StoreError | ClusterError):
                        name = sighting.pod["metadata"]["name"]
                        self._noted(f"what became of pod {name} is not kept: {failure.what}")
                        break
                time.sleep(_PAUSE_S)

    def _keep(self, sighting: _Sighting) -> None:
        pod = sighting.pod
        known, uid = self._runs.of(pod), pod["metadata"]["uid"]
        task = None if known is None else attempt_of(pod, known.spec.graph)
        if known is None or task is None:
            return
        run, key = known.spec.run, evidence_key(known.spec.run, uid, sighting.transition)
        kept = self._kept_of(run)
        most = _MOST if sighting.transition in ENDS else _MOST_WAITS
        if key in kept or len(kept) >= most or self._runs.is_over(run, generation_of(pod)):
            return
        events = self._events(pod) if sighting.transition != "eased" else []
        why = cause(pod, events, gone=sighting.gone, suspended=self._is_suspended(pod))
        if self._is_known(known, task, sighting, why):
            return
        record = evidence_of(
            pod, task, sighting.transition, why, time=sighting.time, events=events, log=self._log(sighting, why)
        )
        self._runs.backend.create(key, encode(record))
        kept.add(key)

    def _kept_of(self, run: str) -> set[str]:
        """Return the keys of what is kept of a run already, by whomever."""
        if run not in self._kept:
            while len(self._kept) > _MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[run] = {entry.key for entry in list_all(self._runs.backend, evidence_prefix(run))}
        return self._kept[run]

    def _is_known(self, known: KnownRun, task: Task, sighting: _Sighting, why: Cause) -> bool:
        """Say whether it is recorded already why a pod has ended: by its worker, or by who had the run cancelled."""
        if sighting.transition not in ENDS:
            return False
        backend, run, uid = self._runs.backend, known.spec.run, sighting.pod["metadata"]["uid"]
        if why.word == "Deleted" and cancel_requests(backend, run) > known.submission.cancels_before:
            return True
        return why.word == "Exit" and any(each.pod_uid == uid for each in read_records(backend, run, task))

    # What a pod does not say itself ----------------------------------------------------------------

    def _events(self, pod: dict[str, Any]) -> list[dict[str, Any]]:
        metadata = pod["metadata"]
        if "events" in self._refused:
            return []
        try:
            own = f"involvedObject.uid={metadata['uid']}"
            return self._client.list(EVENT, namespace=metadata["namespace"], fields=own).items
        except Forbidden:
            self._refused.add("events")
            self._noted("you may not list events: what the cluster says of pods is kept without them")
            return []

    def _is_suspended(self, pod: dict[str, Any]) -> bool:
        """Say whether a pod that is taken away belongs to a job that a queue has suspended."""
        metadata = pod["metadata"]
        owner = next((each for each in metadata.get("ownerReferences") or () if each.get("kind") == "Job"), None)
        if owner is None or "jobs" in self._refused:
            return False
        try:
            found = self._client.get(JOB, owner["name"], namespace=metadata["namespace"])
        except Forbidden:
            self._refused.add("jobs")
            return False
        except ClusterError:  # it is gone too
            return False
        return bool(found["spec"].get("suspend")) and found["metadata"]["uid"] == owner.get("uid")

    def _log(self, sighting: _Sighting, why: Cause) -> str:
        """Return the last lines of the container that failed, where its worker had no time to keep them."""
        if sighting.transition != "ended" or why.word not in ("Memory", "Init", "Exit"):
            return ""
        metadata, container = sighting.pod["metadata"], main_container(sighting.pod)
        if why.word == "Init":
            failed = map(_failed, listed(sighting.pod["status"], "initContainerStatuses"))
            container = next(filter(None, failed), container)
        with suppress(ClusterError):
            content = self._client.last_lines(
                metadata["name"],
                namespace=metadata["namespace"],
                container=container,
                lines=LOG_LINES,
                size_bytes=LOG_BYTES,
            )
            return content.decode("utf-8", "replace")
        return ""


def _failed(container: dict[str, Any]) -> str:
    ended = (container.get("state") or {}).get("terminated") or {}
    return str(container.get("name")) if ended.get("exitCode") else ""
