"""Stopping a run that somebody has asked to cancel."""

from __future__ import annotations

from fairlead.engines.kubernetes.engine import KubernetesEngine
from fairlead.store import claims
from fairlead.store.backends import Backend
from fairlead.store.history import read_spec
from fairlead.worker.concluding import conclude


def stop(engine: KubernetesEngine, backend: Backend, run: str) -> None:
    """Have the cluster stop a run; where nothing of it is left there, write down that it was cancelled."""
    claim = claims.newest_claim(backend, run)
    handover = claims.handed_over(backend, run, claim) if claim else None
    if not engine.cancel(run) and claim is not None and handover is not None:
        # Its workflow is gone, and with it whoever would write down the end.
        conclude(backend, read_spec(backend, run), claim, cancels_before=handover.cancels_before)
