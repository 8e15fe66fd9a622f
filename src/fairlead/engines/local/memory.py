"""Memory limits of steps: by a control group of the kernel where one can be made, else by watching.

All processes of a node of an attempt, and whatever they start, live in one group with the step's limit. A
process joins before the user's code allocates anything, and the kernel's own count of kills in the group tells
one for memory from any other. Where no group can be made, what the processes hold is added up from ``/proc``
now and then. Pages of mapped files are the kernel's to take back, and count in neither way.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from fairlead.worker import cgroups
from fairlead.worker.cgroups import Group, Groups

PAUSE_S = 2.0
"""Seconds that the processes of a killed attempt are given to vanish, so that its group can be removed."""


class Process(NamedTuple):
    """A line of the process table."""

    pid: int
    parent: int
    session: int


class _Node:
    """The processes that share a limit."""

    def __init__(self, limit_bytes: int, group: Group | None) -> None:
        self.limit_bytes = limit_bytes
        self.group = group
        self.processes: set[int] = set()


class MemoryLimits:
    """Keeps the limits of the attempts under way; a step without a limit costs nothing.

    Args:
        use_groups: Whether control groups are used where they can be.
    """

    def __init__(self, *, use_groups: bool = True) -> None:
        self._use_groups = use_groups
        self._groups: Groups | None = None
        self._nodes: dict[Any, _Node] = {}
        self._by_process: dict[int, Any] = {}
        self._leftover: list[Group] = []

    def admit(self, process: int, node: Any, limit_bytes: int | None) -> str | None:
        """Note that a process will be started under a limit.

        Args:
            process: The number of the process.
            node: What all processes that share the limit have in common.
            limit_bytes: The limit, or None.

        Returns:
            The group that the process has to join, or None where its memory is watched, or not limited.
        """
        if limit_bytes is None:
            return None
        shared = self._nodes.get(node)
        if shared is None:
            shared = self._nodes[node] = _Node(limit_bytes, self._make_group(limit_bytes))
        shared.processes.add(process)
        self._by_process[process] = node
        return shared.group.path if shared.group else None

    def enforce(self, processes: Iterable[int], pids: Mapping[int, int]) -> bool:
        """Kill what has exceeded a limit that some processes are under; says whether anything had.

        Args:
            processes: Their numbers.
            pids: The process id of each number, as far as they are known.
        """
        nodes = {self._by_process[each] for each in processes if each in self._by_process}
        over = [members for each in nodes if (members := _over(self._nodes[each], pids)) is not None]
        for pid in set().union(*over):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        return bool(over)

    def killed(self, process: int) -> bool:
        """Say whether the kernel has killed a process in the group of this one for want of memory."""
        node = self._nodes.get(self._by_process.get(process))
        return node is not None and node.group is not None and node.group.kills > 0

    def forget(self, process: int) -> None:
        """Note that a process has ended; with the last one of its node, all that they left behind is killed."""
        key = self._by_process.pop(process, None)
        if key is None:
            return
        node = self._nodes[key]
        node.processes.discard(process)
        if not node.processes:
            del self._nodes[key]
            if node.group is not None and not node.group.remove():
                self._leftover.append(node.group)

    def close(self) -> None:
        """Remove what is left of groups."""
        groups = [*self._leftover, *(node.group for node in self._nodes.values() if node.group)]
        self._nodes.clear()
        self._by_process.clear()
        cgroups.remove_all(groups, PAUSE_S)

    def _make_group(self, limit_bytes: int) -> Group | None:
        if not self._use_groups:
            return None
        if self._groups is None:
            self._groups = Groups.here()
        self._leftover = [each for each in self._leftover if not each.remove()]
        return self._groups.make(limit_bytes)


def _over(node: _Node, pids: Mapping[int, int]) -> set[int] | None:
    """Return the processes of a node where they have exceeded its limit, else None."""
    started = {pids[each] for each in node.processes if each in pids}
    if node.group is not None:
        inside = node.group.members()
        if node.group.kills:
            return inside
        started -= inside
    if not started:
        return None
    members = _with_descendants(started, process_table())
    return members if _held_bytes(members, node.limit_bytes) > node.limit_bytes else None


def _held_bytes(members: set[int], limit_bytes: int) -> int:
    """Return what some processes hold together, exactly only where that may be above the limit."""
    # What forks share is counted for each of them here, and once below, which takes longer.
    rough = sum(_sum_of(f"/proc/{pid}/status", (b"RssAnon:", b"RssShmem:")) for pid in members)
    if rough <= limit_bytes:
        return rough
    exact = sum(_sum_of(f"/proc/{pid}/smaps_rollup", (b"Pss_Anon:", b"Pss_Shmem:")) for pid in members)
    return exact or rough


def process_table() -> list[Process]:
    """Return every process of this machine; nothing where there is no ``/proc``."""
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:  # ended since
                continue
            found.append(Process(int(name), int(fields[1]), int(fields[3])))
    return found


def _with_descendants(leaders: set[int], table: list[Process]) -> set[int]:
    members = {each.pid for each in table if each.session in leaders or each.pid in leaders}
    before = -1
    while len(members) != before:
        before = len(members)
        members |= {each.pid for each in table if each.parent in members}
    return members


def _sum_of(path: str, names: tuple[bytes, ...]) -> int:
    """Add up some lines of a file of ``/proc`` that gives KiB."""
    try:
        with open(path, "rb") as file:
            lines = [line.split() for line in file if line.startswith(names)]
    except OSError:
        return 0
    return sum(int(fields[1]) for fields in lines) * 1024
