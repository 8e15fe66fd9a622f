"""The recorder: watches every run of a store in a namespace, or in the whole cluster, when nobody else does.

It keeps evidence of pods that fare badly, ends steps that can't be scheduled where their runs ask for that, and writes
down the end of runs whose last pod could not. It holds nothing: one that is started anew lists and watches, and reads
the store. Any number of them do what one would.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

from fairlead.engines.kubernetes.known import KnownRuns, slim
from fairlead.engines.kubernetes.placing import Placing
from fairlead.engines.kubernetes.witness import Witness
from fairlead.errors import FairleadError
from fairlead.kube.client import Client
from fairlead.kube.discovery import Discovery
from fairlead.kube.mirror import Event
from fairlead.kube.resources import POD, Kind
from fairlead.kube.sharing import Watches
from fairlead.kube.watching import Watch
from fairlead.store import claims
from fairlead.store.backends import Backend
from fairlead.store.catalog import latest_by_run
from fairlead.store.history import read_spec
from fairlead.targets import naming
from fairlead.targets.flow_table import FLOWS, flow_target
from fairlead.targets.flows import FlowTarget
from fairlead.worker.concluding import conclude

LOOK_S = 1.0
"""Seconds between two looks at what the watches hold."""
CONCLUDE_S = 30.0
"""Seconds between two looks for runs that ended without a word."""
SWEEP_S = 600.0
"""Seconds between two readings of the catalog, for runs whose object went while no recorder watched."""
EXPLAIN_S = 60.0
"""Seconds between two looks at nodes and queues, for why steps wait."""
SILENCE_S = 90.0
"""Seconds without a look after which a recorder is not well."""
_SYNC_S = 120.0


class Recorder:
    """Watches runs until it is told to stop.

    Args:
        client: The cluster.
        backend: The store: runs that it does not have are none of this recorder's.
        namespace: Where; `EVERYWHERE` for the whole cluster.
        ends: Whether steps that can't be scheduled are ended, as their runs ask.
        waits: Is given the pods now and then, to write down why they wait.
        noted: Is told what it does, and what it can't do.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        client: Client,
        backend: Backend,
        namespace: str,
        *,
        ends: bool = False,
        waits: Callable[[Iterable[dict[str, Any]]], object] | None = None,
        noted: Callable[[str], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._backend = backend
        self._namespace = namespace
        self._noted = noted
        self._clock = clock
        self._runs = KnownRuns(backend)
        self._placing = Placing(client, self._runs, noted=noted) if ends else None
        self._waits = waits
        self._watches: tuple[Watch, ...] = ()
        self._looked = clock()
        self._suspects: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Watch.

        Raises:
            ClusterError: What is to be watched can't be listed.
        """
        watches, where = Watches(self._client), self._namespace
        with ExitStack() as stack:
            witness = stack.enter_context(Witness(self._client, self._runs, noted=self._noted))
            pods = stack.enter_context(watches.of(POD, namespace=where, labels=naming.RUN, project=slim))
            runs = [(each, stack.enter_context(_watched(watches, each, where))) for each in self._served()]
            self._watches = (pods, *(watch for _, watch in runs))
            for watch in self._watches:
                watch.wait_synced(_SYNC_S)
            for target, watch in runs:
                watch.listen(partial(self._suspect, target))
            pods.listen(witness.see)
            self._noted(f"watches {len(pods)} pods of {sum(len(watch) for _, watch in runs)} runs")
            concluded = swept = explained = -SWEEP_S
            while not stop.wait(LOOK_S):
                now = self._looked = self._clock()
                if self._placing is not None:
                    self._placing.enforce(pods.objects().values())
                if now - swept >= SWEEP_S:
                    swept = now
                    with self._failures_noted():
                        self._sweep()
                if now - concluded >= CONCLUDE_S:
                    concluded = now
                    self._conclude_suspects(runs)
                if self._waits is not None and now - explained >= EXPLAIN_S:
                    explained = now
                    with self._failures_noted():
                        self._waits(pods.objects().values())

    @property
    def is_well(self) -> bool:
        """Whether it looks, and its watches live."""
        recent = self._clock() - self._looked < SILENCE_S
        return recent and all(watch.is_running for watch in self._watches)

    def _served(self) -> list[FlowTarget]:
        """Return what runs can be here; the first of all targets where the cluster has none, which can't be listed."""
        discovery = Discovery(self._client)
        return [each for each in FLOWS.values() if discovery.serves(Kind(*each.resource))] or [flow_target({})]

    # Runs that ended without a word ----------------------------------------------------------------

    def _suspect(self, target: FlowTarget, event: Event) -> None:
        """Remember a run whose object has ended or is gone: its last pod should have written that down."""
        if event.type == "DELETED" or target.is_completed(event.object):
            self._suspects.add(event.object["metadata"]["labels"][naming.RUN])

    def _sweep(self) -> None:
        """Suspect every run that the catalog has as under way."""
        under_way = {run for run, each in latest_by_run(self._backend).items() if each.status == "running"}
        self._suspects |= under_way

    def _conclude_suspects(self, runs: _Runs) -> None:
        for run in sorted(self._suspects):
            with self._failures_noted():
                self._conclude(run, runs)
                self._suspects.discard(run)

    def _conclude(self, run: str, runs: _Runs) -> None:
        """Write down how a run ended, where nothing of it is left that could; its next event brings it back."""
        claim = claims.newest_claim(self._backend, run)
        handover = claims.handed_over(self._backend, run, claim) if claim is not None else None
        if claim is None or handover is None or claims.has_ended(self._backend, run, claim):
            return
        if self._namespace not in ("", handover.namespace):
            return
        for target, watch in runs:
            if any(_is_of(each, run) and not target.is_completed(each) for each in watch.objects().values()):
                return
            kind, labels = Kind(*target.resource), {naming.RUN: run}
            listed = self._client.list(
                kind, namespace=handover.namespace, labels=labels, metadata_only=target.by_metadata
            ).items  # what was created a moment ago may not have been heard of
            if not all(map(target.is_completed, listed)):
                return
        spec = read_spec(self._backend, run)
        status = conclude(self._backend, spec, claim, cancels_before=handover.cancels_before)
        self._noted(f"run {run} {status}: its last pod left no word of it")

    @contextmanager
    def _failures_noted(self) -> Iterator[None]:
        """Go on although the store or the cluster is away: it is tried again."""
        try:
            yield
        except FairleadError as failure:
            self._noted(str(failure))


_Runs = list[tuple[FlowTarget, Watch]]
"""The watches of what runs can be."""


def _watched(watches: Watches, target: FlowTarget, where: str) -> AbstractContextManager[Watch]:
    kind, short = Kind(*target.resource), None if target.by_metadata else _end_of
    return watches.of(kind, namespace=where, labels=naming.RUN, metadata_only=target.by_metadata, project=short)


def _end_of(found: dict[str, Any]) -> dict[str, Any]:
    """Return what of an object says whether it has ended: what it was made from may be large."""
    status = {"conditions": (found.get("status") or {}).get("conditions") or []}
    return {"metadata": found["metadata"], "status": status}


def _is_of(found: dict[str, Any], run: str) -> bool:
    labels: dict[str, str] = found["metadata"].get("labels", {})
    return labels.get(naming.RUN) == run
