"""Control groups of the kernel that limit memory: version 1 and 2, for root and where a user has been given some.

A group lies beside or below the one of this process, so that it stays within every limit that holds above. Its
name carries the process that made it, so that what a killed one left behind is known and removed by the next.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from fairlead.store.claims import process_started

_PREFIX = "fairlead"
_serial = itertools.count()


class Group:
    """One group, with a limit."""

    def __init__(self, folder: Path, version: int) -> None:
        self.path = str(folder)
        self._folder = folder
        self._events = folder / ("memory.events" if version == 2 else "memory.oom_control")

    @property
    def kills(self) -> int:
        """How many processes in it the kernel has killed for want of memory."""
        try:
            lines = self._events.read_text().splitlines()
        except OSError:
            return 0
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def members(self) -> set[int]:
        """Return the ids of the processes in it."""
        try:
            return set(map(int, (self._folder / "cgroup.procs").read_text().split()))
        except OSError:
            return set()

    def remove(self) -> bool:
        """Kill what is in it, and remove it; False where that takes longer."""
        for pid in self.members():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            self._folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


def memory_kills() -> int:
    """Return how many processes of this container the kernel has killed for want of memory."""
    root = Path("/sys/fs/cgroup")
    return Group(root, 2).kills if (root / "memory.events").exists() else Group(root / "memory", 1).kills


def join(path: str) -> None:
    """Move this process into a group; where that fails, whoever made the group watches the process instead."""
    with suppress(OSError):
        Path(path, "cgroup.procs").write_text(str(os.getpid()))


def remove_all(groups: Iterable[Group], patience_s: float) -> None:
    """Remove groups, waiting a while for their processes to vanish."""
    deadline = time.monotonic() + patience_s
    left = [each for each in groups if not each.remove()]
    while left and time.monotonic() < deadline:
        time.sleep(0.01)
        left = [each for each in left if not each.remove()]


class Groups:
    """Makes groups in one place.

    Args:
        parent: The folder to make them in, or None where none can be made.
        version: The version of the kernel's interface, 1 or 2.
    """

    def __init__(self, parent: Path | None, version: int) -> None:
        self.parent = parent
        self.version = version
        if parent is not None:
            _remove_stale(parent, version)

    @classmethod
    def here(cls) -> Groups:
        """Look for a place where this process may make groups."""
        try:
            memberships, mounts = Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text()
        except OSError:  # not Linux
            return cls(None, 2)
        first = own_folder(memberships, mounts, 1)
        if first is not None:
            return cls(first if os.access(first, os.W_OK) else None, 1)
        own = own_folder(memberships, mounts, 2)
        return cls(place_in_version_2(own) if own else None, 2)

    def make(self, limit_bytes: int) -> Group | None:
        """Make a group with a limit, and without swap where that can be said; None where it can't be made."""
        if self.parent is None:
            return None
        folder = self.parent / f"{_PREFIX}-{os.getpid()}-{process_started(os.getpid())}-{next(_serial)}"
        group = Group(folder, self.version)
        try:
            folder.mkdir()
            self._limit(folder, limit_bytes)
        except OSError:
            group.remove()
            self.parent = None
            return None
        return group

    def _limit(self, folder: Path, limit_bytes: int) -> None:
        if self.version == 2:
            (folder / "memory.max").write_text(str(limit_bytes))
            settings = {"memory.swap.max": "0", "memory.oom.group": "1"}
        else:
            (folder / "memory.limit_in_bytes").write_text(str(limit_bytes))
            settings = {"memory.memsw.limit_in_bytes": str(limit_bytes)}
        for name, value in settings.items():
            with suppress(OSError):  # a kernel without swap, or without this
                (folder / name).write_text(value)


def own_folder(memberships: str, mounts: str, version: int) -> Path | None:
    """Return the folder of this process's own group, or None where memory is not limited by this version.

    Args:
        memberships: What ``/proc/self/cgroup`` says.
        mounts: What ``/proc/self/mountinfo`` says.
        version: 1 or 2.
    """
    for line in memberships.splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(",") if version == 1 else number == "0":
            break
    else:
        return None
    for line in mounts.splitlines():
        head, _, tail = line.partition(" - ")
        (kind, _, options), (root, point) = tail.split(" ", 2), head.split()[3:5]
        if kind != ("cgroup" if version == 1 else "cgroup2") or (version == 1 and "memory" not in options.split(",")):
            continue
        # In a container the mount may show a part of the tree only, and the path lead from the whole one.
        inside = path if root == "/" else path.removeprefix(root)
        folder = Path(point, inside.lstrip("/"))
        return folder if ".." not in folder.parts and folder.is_dir() else None
    return None


def place_in_version_2(own: Path) -> Path | None:
    """Return where groups can be made: in the own one if it is the root of all, else beside it.

    A group with processes in it can't have limited ones below. One beside it must not lead out of a limit.
    """
    if _allows(own):
        return own
    limits = [own / name for name in ("memory.max", "memory.high", "cpu.max")]
    if any(_read(each).split()[:1] not in ([], ["max"]) for each in limits):
        return None
    # To move a process takes the right to write into what is above both groups, too.
    movable = os.access(own.parent / "cgroup.procs", os.W_OK)
    return own.parent if movable and _allows(own.parent) else None


def _allows(parent: Path) -> bool:
    return os.access(parent, os.W_OK) and "memory" in _read(parent / "cgroup.subtree_control").split()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _remove_stale(parent: Path, version: int) -> None:
    for folder in parent.glob(f"{_PREFIX}-*-*-*"):
        pid, started = folder.name.split("-")[1:3]
        if not pid.isdigit() or process_started(int(pid)) != started:
            with suppress(OSError):  # its processes are about to end, or it is another machine's
                folder.rmdir()
