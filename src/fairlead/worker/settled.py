"""The cache keys of what has succeeded in a run: by them it is seen what counts when its code is another one."""

from __future__ import annotations

from fairlead.store.backends import Backend
from fairlead.store.history import read_progress
from fairlead.store.records import RunSpec
from fairlead.worker.keys import InstanceKeys
from fairlead.worker.occurrences import numbers_of
from fairlead.worker.resolving import resolver_of


def settled_keys(backend: Backend, spec: RunSpec) -> dict[tuple[str, int], str]:
    """Return the cache keys of everything that has succeeded in a run."""
    progress = read_progress(backend, spec)
    keys = InstanceKeys(spec, progress, resolver_of(backend, spec, progress), numbers_of(backend, spec.run))
    return {each.key: keys.of(each) for each in progress.instances.values() if each.status == "succeeded"}
