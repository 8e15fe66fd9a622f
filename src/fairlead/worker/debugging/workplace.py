"""The folder in which a recorded step is gone through again: its code, its inputs, and a store for what it returns.

Nothing in it is the run's: values are copies (or hard links of files that are read only), what is stored goes to the
folder's own store, and the code is there to be edited.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fairlead.errors import UsageError
from fairlead.packaging.arriving import open_project
from fairlead.packaging.manifest import root_of
from fairlead.packaging.package import read_members
from fairlead.packaging.project import Project
from fairlead.store.backends import Backend, Folder
from fairlead.store.layout import checkpoint_prefix
from fairlead.store.values import Values
from fairlead.worker.checkpoints import StoredCheckpoints
from fairlead.worker.pods.children import starting
from fairlead.worker.resolving import refs_in
from fairlead.worker.running import environment_of
from fairlead.worker.tasks import ProjectCode, WorkerTask

AGAIN = "again"
"""The command by which the step is run again, inside."""

FOLDER = "FAIRLEAD_DEBUG"
"""The variable that names the folder, inside."""


class Workplace:
    """The folder, by its parts.

    Args:
        folder: The folder; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = folder / "package"
        self.code = folder / "code"
        self.checkpoints = folder / "checkpoints"
        self._task = folder / "task"
        self._programs = folder / "bin"

    def furnish(self, task: WorkerTask, package: bytes, backend: Backend, host: Path) -> Project:
        """Make it: inputs are fetched, the code is unpacked unless it is there already, perhaps with edits.

        Args:
            task: The attempt as it is recorded.
            package: The code package that travelled, or is as one that did.
            backend: The store of the run, from which is read only.
            host: A folder of this machine for what comes from a remote store.

        Raises:
            UsageError: The folder has other things in it, or another step's.
            DamagedError: An input or the package is missing, or is not what was written.
        """
        self._refuse_others(task)
        self.folder.mkdir(parents=True, exist_ok=True)
        store, values = Folder(self.folder / "store"), Values(backend, host)
        for given in task.inputs.values():
            for ref in refs_in(given):
                values.copy_to(store, ref)
        prefix = checkpoint_prefix(task.run, task.step.name, task.index)
        StoredCheckpoints(backend, prefix, task.number).fetch(self.checkpoints)
        if not self.package.exists():
            self.package.write_bytes(package)
        own = msgspec.structs.replace(
            task,
            code=ProjectCode(file=str(self.code), package=str(self.package)),
            store=store.url,
            host=str(self.folder / "host"),
            metrics=str(self.folder / "metrics"),
            checkpoints=str(self.checkpoints),
        )
        self._task.write_bytes(msgspec.msgpack.encode(own))
        self._programs.mkdir(exist_ok=True)
        again = self._programs / AGAIN
        words = shlex.join([*starting("fairlead.worker.debugging.again"), str(self.folder)])
        again.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        again.chmod(0o755)
        return self.project()

    def task(self) -> WorkerTask:
        """Return what is to be done here."""
        return msgspec.msgpack.decode(self._task.read_bytes(), type=WorkerTask)

    def project(self) -> Project:
        """Return the project as it is here."""
        return open_project(self.package.read_bytes(), self.code)

    def environment(self) -> dict[str, str]:
        """Return the variables that a process here has beside those it inherits: the step's, and where its code is."""
        inherited = os.environ.get("PYTHONPATH", "")
        modules = [*self.project().search_path, *([inherited] if inherited else [])]
        own = os.path.dirname(sys.executable)  # `python` is the step's, whether or not its environment is activated
        programs = [str(self._programs), own, os.environ.get("PATH", os.defpath)]
        return {
            **environment_of(self.task()),
            FOLDER: str(self.folder),
            "PATH": os.pathsep.join(programs),
            "PYTHONPATH": os.pathsep.join(modules),
        }

    def edits(self) -> Iterator[str]:
        """Yield the files of the code that are not as recorded: changed, removed, or new."""
        members = read_members(self.package.read_bytes())
        root = root_of(members, self.code)
        for name, member in members.items():
            path = root / name
            there = os.path.lexists(path)
            if not there or (member.kind != "link" and path.read_bytes() != member.data):
                yield name
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            if name not in members and not path.is_dir() and path.suffix != ".pyc":
                yield name

    def _refuse_others(self, task: WorkerTask) -> None:
        if not self.folder.exists():
            return
        if not self.folder.is_dir() or (os.listdir(self.folder) and not self._task.exists()):
            raise UsageError(
                f"{self.folder} has other things in it",
                why="a step is debugged in a folder of its own",
                next="name another with --folder, or leave the option away",
            )
        if not self._task.exists():
            return
        before = self.task()
        if (before.run, before.step.name, before.index) != (task.run, task.step.name, task.index):
            raise UsageError(
                f"{self.folder} is that of another step",
                why=f"{before.run}/{before.step.name}/{before.index} is debugged there",
                next="name another with --folder, or remove this one",
            )
