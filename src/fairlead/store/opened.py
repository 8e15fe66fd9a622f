"""A store opened on this machine: the back end, its values, and the folder of what is this machine's only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead.store.backends import Backend, Folder
from fairlead.store.layout import Task, log_key, metrics_key
from fairlead.store.opening import open_backend
from fairlead.store.values import Values


class Store:
    """A store, as everything above uses it.

    Args:
        url: A folder, or the URL of a remote store.
        host: A folder of this machine: marks of verified objects, downloads, spooled logs.
    """

    def __init__(self, url: str, host: Path) -> None:
        self.url = url
        self.host = host
        self.backend: Backend = open_backend(url)
        self._spool = host / "spool"
        self.values = Values(self.backend, host)

    def log_path(self, run: str, task: Task) -> Path:
        """Return the file that takes a task's output while it runs: in the store where that is a folder."""
        return self._growing(log_key(run, task))

    def metrics_path(self, run: str, task: Task) -> Path:
        """Return the file that takes what a task logs while it runs: in the store where that is a folder."""
        return self._growing(metrics_key(run, task))

    @contextmanager
    def spooling_in(self, folder: Path) -> Iterator[None]:
        """Look for the logs of a store that is no folder in another place first, for a while."""
        usual, self._spool = self._spool, folder
        try:
            yield
        finally:
            self._spool = usual

    @property
    def is_folder(self) -> bool:
        """Whether logs are written in place."""
        return isinstance(self.backend, Folder)

    def _growing(self, key: str) -> Path:
        return self.backend.path(key) if isinstance(self.backend, Folder) else self._spool / key

    def keep_log(self, log: Path) -> None:
        """Keep a finished log: it is put into a store that is no folder, and an empty one is nothing to keep."""
        try:
            size = log.stat().st_size
        except FileNotFoundError:
            return
        if size == 0:
            log.unlink()
        elif not isinstance(self.backend, Folder):
            self.backend.put_file(str(log.relative_to(self._spool)), log)
            log.unlink(missing_ok=True)

    def checkpoints(self, run: str) -> Path:
        """Return the folder of a run's checkpoints on this machine."""
        return self._of_run(run) / "checkpoints"

    def volumes(self, run: str) -> Path:
        """Return the folder of the volumes on this machine that were made for a run."""
        return self._of_run(run) / "volumes"

    def _of_run(self, run: str) -> Path:
        root = self.backend.root if isinstance(self.backend, Folder) else self.host
        return root / "runs" / run
