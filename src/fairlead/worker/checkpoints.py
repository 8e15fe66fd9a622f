"""Checkpoints in the store: a pod's folder goes with the pod, and the next attempt begins where this one was.

checkpoints/<step>.<index>/<at>-<attempt>/<path>      the files of one checkpoint
checkpoints/<step>.<index>/<at>-<attempt>.complete    what belongs to it: written last, and removed first
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from fairlead.errors import StoreError
from fairlead.specs.runtimes import fewest_nodes
from fairlead.store.backends import Backend, list_all
from fairlead.store.layout import checkpoint_prefix
from fairlead.store.records import decode, encode
from fairlead.worker.tasks import WorkerTask

KEPT = 2
"""How many of a step's checkpoints stay."""

_COMPLETE = ".complete"
_BLOCK = 8 << 20


class Contents(msgspec.Struct, frozen=True):
    """What a checkpoint consists of, by relative paths.

    Attributes:
        files: The size of each file, in bytes.
        folders: Every folder.
        links: What each symbolic link says.
    """

    files: dict[str, int]
    folders: tuple[str, ...] = ()
    links: dict[str, str] = {}


class StoredCheckpoints:
    """The checkpoints of one instance of a step.

    Args:
        backend: The store.
        prefix: Where they lie in it.
        attempt: The number of the attempt that adds to them.
    """

    def __init__(self, backend: Backend, prefix: str, attempt: int) -> None:
        self._backend = backend
        self._prefix = prefix
        self._attempt = attempt

    def keep(self, folder: Path) -> None:
        """Put a checkpoint into the store: all of it, or, where this is interrupted, nothing that counts.

        Args:
            folder: The complete checkpoint; its name is the number that it is of.
        """
        name = f"{folder.name}-{self._attempt:04}"
        self._backend.delete(self._prefix + name + _COMPLETE)
        contents = _contents(folder)
        for path in contents.files:
            self._put(f"{self._prefix}{name}/{path}", folder / path)
        self._backend.put(self._prefix + name + _COMPLETE, encode(contents))
        self._prune()

    def fetch(self, target: Path) -> None:
        """Bring the newest complete checkpoint into a folder, whole; nothing where there is none."""
        names = self._complete([entry.key for entry in list_all(self._backend, self._prefix)])
        if not names:
            return
        key = self._prefix + names[-1] + _COMPLETE
        contents = decode(self._backend.get(key), Contents, key=key)
        whole, unfinished = target / names[-1].partition("-")[0], target / f".unfinished-{os.getpid()}"
        if whole.exists():
            return
        shutil.rmtree(unfinished, ignore_errors=True)
        for path in ("", *contents.folders):
            (unfinished / path).mkdir(parents=True, exist_ok=True)
        for path in contents.files:
            self._get(f"{self._prefix}{names[-1]}/{path}", unfinished / path)
        for path, said in contents.links.items():
            (unfinished / path).symlink_to(said)
        try:
            unfinished.replace(whole)
        except OSError:  # another rank of this machine was quicker
            shutil.rmtree(unfinished, ignore_errors=True)
            if not whole.exists():
                raise

    def _put(self, key: str, path: Path) -> None:
        link = path.with_name(f".fairlead-{os.getpid()}")  # what is put may be moved away
        link.unlink(missing_ok=True)
        os.link(path, link)
        try:
            self._backend.put_file(key, link)
        finally:
            link.unlink(missing_ok=True)

    def _get(self, key: str, path: Path) -> None:
        with path.open("wb") as file:
            while block := self._backend.get(key, file.tell(), _BLOCK):
                file.write(block)

    def _prune(self) -> None:
        """Remove all but the newest, and what was left unfinished: the marks first."""
        keys = [entry.key for entry in list_all(self._backend, self._prefix)]
        kept = self._complete(keys)[-KEPT:]
        gone = [key for key in keys if self._name(key) not in kept]
        for key in sorted(gone, key=lambda key: not key.endswith(_COMPLETE)):
            self._backend.delete(key)

    def _complete(self, keys: list[str]) -> list[str]:
        """Return the names of complete checkpoints, the newest last."""
        return sorted(self._name(key) for key in keys if self._is_mark(key))

    def _is_mark(self, key: str) -> bool:
        return key.endswith(_COMPLETE) and "/" not in key.removeprefix(self._prefix)

    def _name(self, key: str) -> str:
        return key.removeprefix(self._prefix).partition("/")[0].removesuffix(_COMPLETE)


def fetch_checkpoint(backend: Backend, task: WorkerTask) -> None:
    """Bring what an earlier attempt has left to where this one looks for it, unless that is a volume.

    An elastic gang begins more than once in an attempt, and each time where it was.
    """
    begun = task.number > 1 or fewest_nodes(task.step.runtime) is not None
    if begun and task.step.checkpoint is None:
        _stored(backend, task).fetch(Path(task.checkpoints))


def keeping(backend: Backend, task: WorkerTask) -> Callable[[Path], None] | None:
    """Return what puts complete checkpoints into the store: of a gang those of rank 0; none where a volume has them."""
    if task.step.checkpoint is not None or (task.rank is not None and task.rank.rank != 0):
        return None
    stored = _stored(backend, task)

    def keep(folder: Path) -> None:
        try:
            stored.keep(folder)
        except StoreError as error:
            print(f"fairlead: the checkpoint {folder.name} is not in the store: {error}", file=sys.stderr)

    return keep


def _stored(backend: Backend, task: WorkerTask) -> StoredCheckpoints:
    return StoredCheckpoints(backend, checkpoint_prefix(task.run, task.step.name, task.index), task.number)


def _contents(folder: Path) -> Contents:
    files: dict[str, int] = {}
    folders: list[str] = []
    links: dict[str, str] = {}
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            links[name] = os.readlink(path)
        elif path.is_dir():
            folders.append(name)
        else:
            files[name] = path.stat().st_size
    return Contents(files, tuple(folders), links)


def _walk(folder: Path) -> Iterator[Path]:
    """Yield everything in a folder, a folder before what is in it; no link is followed."""
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
