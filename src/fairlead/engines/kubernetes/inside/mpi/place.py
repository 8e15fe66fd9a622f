"""The files by which the pod of a node and the ranks that ``mpirun`` starts in it know of each other."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from fairlead.targets.training.mpi_job import PLACE
from fairlead.worker.tasks import WorkerTask


def add_reach(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say how a gang's pods reach each other by SSH, where they do: its keys, and a port."""
    parser.add_argument("--keys", type=Path)
    parser.add_argument("--port", type=int, default=0)


OUTPUT = "output"
"""The name of the pipe into which ranks write; it is there when the node is ready for them."""


class _Described(msgspec.Struct, frozen=True):
    task: WorkerTask
    node: int
    master_address: str


class Place(NamedTuple):
    """Where they are.

    Attributes:
        folder: A folder of the user's alone, which has all of them.
    """

    folder: Path

    @classmethod
    def under(cls, work: Path) -> Place:
        """Return that of a pod's work folder."""
        return cls(work / "mpi")

    @classmethod
    def of_rank(cls, environment: Mapping[str, str]) -> Place:
        """Return that of the node that a rank is on."""
        return cls(Path(environment[PLACE]))

    @property
    def variables(self) -> dict[str, str]:
        """What a rank finds it by."""
        return {PLACE: str(self.folder)}

    @property
    def output(self) -> Path:
        """The pipe into which ranks write their output."""
        return self.folder / OUTPUT

    @property
    def ranks(self) -> Path:
        """The folder in which each rank that runs has a file, named as its process."""
        return self.folder / "ranks"

    def write(self, task: WorkerTask, node: int, master_address: str) -> None:
        """Write down the task of the attempt, the number of the node, and the host of node 0."""
        path = self.folder / "task"
        path.touch(0o600)
        path.write_bytes(msgspec.msgpack.encode(_Described(task, node, master_address)))

    def read(self) -> tuple[WorkerTask, int, str]:
        """Read them."""
        found = msgspec.msgpack.decode((self.folder / "task").read_bytes(), type=_Described)
        return found.task, found.node, found.master_address

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note down that this process is a rank until the block ends."""
        own = self.ranks / str(os.getpid())
        own.touch()
        try:
            yield
        finally:
            own.unlink(missing_ok=True)

    def running(self) -> list[int]:
        """Return the processes of the ranks that run now."""
        noted = [int(name) for name in os.listdir(self.ranks)]
        return [each for each in noted if os.path.exists(f"/proc/{each}")]
