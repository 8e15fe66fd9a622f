"""What a pod brings from the store before its user's function runs, beside the inputs."""

from __future__ import annotations

from pathlib import Path

from fairlead.store.backends import Backend
from fairlead.store.layout import checkpoint_prefix, object_key
from fairlead.store.records import RunSpec
from fairlead.worker.pods.checkpoints import StoredCheckpoints
from fairlead.worker.tasks import ProjectCode, WorkerTask


def fetch_code(backend: Backend, spec: RunSpec, work: Path) -> ProjectCode:
    """Fetch a run's code package into a folder, and say where its process is to unpack it."""
    code = spec.code
    assert code is not None and code.package is not None
    package = work / "package"
    package.write_bytes(backend.get(object_key(code.package.digest)))
    return ProjectCode(file=str(work / "code" / code.package.digest), package=str(package))


def fetch_checkpoint(backend: Backend, task: WorkerTask) -> None:
    """Bring what an earlier attempt has left to where this one looks for it, unless that is a volume."""
    if task.number > 1 and task.step.checkpoint is None:
        prefix = checkpoint_prefix(task.run, task.step.name, task.index)
        StoredCheckpoints(backend, prefix, task.number).fetch(Path(task.checkpoints))
