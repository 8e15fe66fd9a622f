"""The testbed's control group: the kernel's own list of every process that the testbed started.

Version 1 of control groups (one hierarchy a controller) and version 2 are both understood. The group has two parts:
``host`` for the components, and ``pods``, where the kubelet makes its groups.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/sys/fs/cgroup")


class Group(NamedTuple):
    """The control group of one testbed."""

    name: str

    def make(self) -> None:
        """Make the group in every hierarchy."""
        for hierarchy in hierarchies():
            for part in ("host", "pods"):
                (hierarchy / self.name / part).mkdir(parents=True, exist_ok=True)

    def joining(self, command: Sequence[str]) -> list[str]:
        """Return the command that puts itself into the group before it becomes the given one."""
        members = _tracking() / self.name / "host/cgroup.procs"
        return ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', str(members), *command]

    @property
    def pods(self) -> str:
        """The kubelet's root group."""
        return f"/{self.name}/pods"

    def members(self) -> list[int]:
        """Return the ids of the group's processes."""
        return [pid for folder in _below(_tracking() / self.name) for pid in _processes(folder)]

    def kill(self) -> bool:
        """Send SIGKILL to every process of the group; returns whether there was any."""
        members = self.members()
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(members)

    def remove(self) -> bool:
        """Remove the group, which has no processes any more, from every hierarchy; returns whether it is gone."""
        for hierarchy in hierarchies():
            for folder in _below(hierarchy / self.name):
                with contextlib.suppress(OSError):  # a process that has just ended still counts for a moment
                    folder.rmdir()
        return not any((hierarchy / self.name).exists() for hierarchy in hierarchies())


def hierarchies() -> list[Path]:
    """Return where control groups can be made: one folder for version 2, one a controller for version 1."""
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    return [each for each in sorted(ROOT.iterdir()) if (each / "cgroup.procs").exists() and not each.is_symlink()]


def _tracking() -> Path:
    return ROOT if (ROOT / "cgroup.controllers").exists() else ROOT / "pids"


def _below(top: Path) -> Iterator[Path]:
    """Yield a group and all groups in it, the innermost first."""
    for folder, _, _ in os.walk(top, topdown=False):
        yield Path(folder)


def _processes(folder: Path) -> list[int]:
    try:
        return [int(line) for line in (folder / "cgroup.procs").read_text().split()]
    except (FileNotFoundError, OSError):  # the kubelet removed the group meanwhile
        return []
