"""The code that a pod brings from the store before its user's function runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from fairlead.errors import DamagedError, FairleadError, NotFoundError
from fairlead.packaging.archives import unpack_archive
from fairlead.specs.contexts import Submission
from fairlead.specs.steps import Step
from fairlead.specs.values import Ref
from fairlead.store.backends import Backend
from fairlead.store.layers import forget_layer, layer_key, note_platform, platform, read_layer
from fairlead.store.layout import layer_fault_key, object_key, submission_key
from fairlead.store.records import RunSpec, decode
from fairlead.worker.tasks import ProjectCode

_RANGE = 16 << 20
"""Bytes fetched with one request."""


class PackagesError(FairleadError):
    """The packages of a step can't be had; another attempt of its pod would not have them either."""


def fetch_code(backend: Backend, spec: RunSpec, work: Path) -> ProjectCode:
    """Fetch a run's code package into a folder, and say where its process is to unpack it."""
    code = spec.code
    assert code is not None and code.package is not None
    package = work / "package"
    package.write_bytes(backend.get(object_key(code.package.digest)))
    return ProjectCode(file=str(work / "code" / code.package.digest), package=str(package))


def fetch_packages(backend: Backend, run: str, generation: int, step: Step, work: Path) -> str:
    """Fetch the layer of a step's packages and unpack it.

    Args:
        backend: The store.
        run: The run's id.
        generation: The number of the claim that the run was submitted under.
        step: The step.
        work: The folder in which a folder for them is made.

    Returns:
        The folder; empty where the step declares no packages.

    Raises:
        PackagesError: There is no layer for this image, or it is damaged and was removed.
    """
    lock = step.environment.locked
    if lock is None:
        return ""
    here = platform()
    layer = read_layer(backend, lock, here)
    if layer is None:
        _note_image(backend, run, generation, step, here)
        raise _missing(backend, run, layer_key(lock, here), here)
    folder = work / "packages"
    try:
        archive = _Archive(backend, layer.archive)
        unpack_archive(cast(BinaryIO, archive), folder)
        archive.check()
    except (DamagedError, NotFoundError) as error:
        forget_layer(backend, layer)
        raise PackagesError(
            "the packages of the step are damaged or gone",
            where=f"object {object_key(layer.archive.digest)}",
            why=f"{error.what}{': ' * bool(error.why)}{error.why}",
            next=f"they are installed anew when the run goes on: fairlead resume {run}",
        ) from error
    return str(folder)


class _Archive:
    """An object as a file that is read once from its beginning, the next part fetched while one is unpacked."""

    def __init__(self, backend: Backend, ref: Ref) -> None:
        self._ref = ref
        self._hash = hashlib.sha256()
        self._parts = self._fetch(backend)
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return as many bytes, fewer at the end only."""
        found = bytearray()
        while len(found) < size:
            if not self._rest:
                self._rest = memoryview(next(self._parts, b""))
                self._hash.update(self._rest)
                if not self._rest:
                    break
            taken = self._rest[: size - len(found)]
            found += taken
            self._rest = self._rest[len(taken) :]
        return bytes(found)

    def check(self) -> None:
        """Raise `DamagedError` where what was read, all of it, is not what was written."""
        if self._hash.hexdigest() != self._ref.digest:
            raise DamagedError("its bytes do not have the hash that they were stored under")

    def _fetch(self, backend: Backend) -> Iterator[bytes]:
        key, size = object_key(self._ref.digest), self._ref.size_bytes
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(backend.get, key, 0, _RANGE)
            for start in range(_RANGE, size + _RANGE, _RANGE):
                found = coming.result()
                if start < size:
                    coming = ahead.submit(backend.get, key, start, _RANGE)
                yield found


def _note_image(backend: Backend, run: str, generation: int, step: Step, here: str) -> None:
    """Correct what is known of the step's image, so that the next submission asks for the layer that it needs."""
    key = submission_key(run, generation)
    with suppress(NotFoundError):
        image = step.environment.image or decode(backend.get(key), Submission, key=key).context.image
        note_platform(backend, image, here)


def _missing(backend: Backend, run: str, layer: str, here: str) -> PackagesError:
    key = layer_fault_key(run, layer)
    try:
        return PackagesError(decode(backend.get(key), str, key=key))
    except NotFoundError:
        return PackagesError(
            "the packages of the step are not in the store",
            where=f"{layer}, for {here}",
            why="they were removed, or the name of its image was given to another image, since the run was submitted",
            next=f"they are installed when the run goes on: fairlead resume {run}",
        )
