"""The code that a pod brings from the store before its user's function runs."""

from __future__ import annotations

from pathlib import Path

from fairlead.store.backends import Backend
from fairlead.store.layout import object_key
from fairlead.store.records import RunSpec
from fairlead.worker.tasks import ProjectCode


def fetch_code(backend: Backend, spec: RunSpec, work: Path) -> ProjectCode:
    """Fetch a run's code package into a folder, and say where its process is to unpack it."""
    code = spec.code
    assert code is not None and code.package is not None
    package = work / "package"
    package.write_bytes(backend.get(object_key(code.package.digest)))
    return ProjectCode(file=str(work / "code" / code.package.digest), package=str(package))
