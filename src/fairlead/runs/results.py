"""What a flow returned, loaded from the store."""

from __future__ import annotations

from typing import Any

from fairlead.store.history import read_progress, read_spec
from fairlead.store.opened import Store
from fairlead.worker.resolving import resolver_of
from fairlead.worker.running import load_input


def flow_result(store: Store, run: str) -> Any:
    """Load the value that a finished run's flow returned."""
    spec = read_spec(store.backend, run)
    if spec.graph.result is None:
        return None
    progress = read_progress(store.backend, spec)
    resolver = resolver_of(store.backend, spec, progress)
    return load_input(store.values, resolver.whole(spec.graph.result))
