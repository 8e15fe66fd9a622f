"""Starting processes, recording them, and stopping exactly those.

A process is recorded by its id together with its start and the machine's boot, so that an id that was given to
somebody else is never taken for ours. Everything that a component starts in turn (containers and their shims) is
in the testbed's control group, which the kernel keeps: see ``groups.py``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from . import asking
from .faults import TestbedError
from .groups import Group
from .state import State, write

_BETWEEN_QUESTIONS_S = 0.05  # nothing announces that a server is ready


class Record(NamedTuple):
    """A process that was started.

    Attributes:
        started: Its start, in clock ticks since the boot (field 22 of ``/proc/PID/stat``).
        boot: The boot of the machine in which it was started.
    """

    pid: int
    started: int
    boot: str

    @property
    def is_alive(self) -> bool:
        """Whether this very process is still there, and not only its id."""
        return self.boot == boot() and started(self.pid) == self.started


class Process(NamedTuple):
    """What to run, and how to see that it works.

    Attributes:
        answers: Whether it does its work; asked until it does.
        in_node: Whether it runs in the node's mount namespace, with the cluster's DNS as its resolver.
    """

    name: str
    command: Sequence[str | Path]
    answers: Callable[[], bool]
    environment: Mapping[str, str] = {}
    in_node: bool = False


def boot() -> str:
    """Return the kernel's name of the present boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def started(pid: int) -> int | None:
    """Return the start of a process in clock ticks since the boot, or None where there is none or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # a program's name may hold blanks and brackets
    return None if fields[0] in "ZX" else int(fields[19])


def records(state: State) -> dict[str, Record]:
    """Return the recorded processes by their component's name, in the order of their start."""
    files = sorted(state.processes.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return {path.stem: Record(**json.loads(path.read_text("utf-8"))) for path in files}


def start(process: Process, state: State, group: Group, timeout_s: float = 60) -> subprocess.Popen[bytes]:
    """Start a process in a group, record it, and wait until it answers.

    Returns:
        The process, which outlives this one.

    Raises:
        TestbedError: It ended, or did not answer in time; the message ends with its log.
    """
    log = state.logs / f"{process.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    with open(log, "wb") as output:
        child = subprocess.Popen(
            group.joining([str(part) for part in process.command]),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=state.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(state.folder), **process.environment},
            start_new_session=True,
        )
    record = Record(child.pid, started(child.pid) or 0, boot())
    write(state.processes / f"{process.name}.json", json.dumps(record._asdict()))
    deadline = time.monotonic() + timeout_s
    while not process.answers():
        if child.poll() is not None or time.monotonic() > deadline:
            fate = "did not answer" if child.poll() is None else f"ended with {child.returncode}"
            child.kill()
            child.wait()
            raise TestbedError(f"{process.name} {fate}; {log} ends with\n{tail(log)}")
        time.sleep(_BETWEEN_QUESTIONS_S)
    return child


@contextlib.contextmanager
def beside(
    command: Sequence[str | Path], log: Path, where: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that is no part of a testbed until the block ends.

    Args:
        command: What to run.
        log: The file that takes its output.
        where: The folder that it is in, and takes for its home.
        environment: Variables beside the few that it has anyway.
    """
    given = {"PATH": os.environ["PATH"], "HOME": str(where), **environment}
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=where, env=given
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_ready(name: str, process: subprocess.Popen[bytes], log: Path, port: int, path: str, timeout_s: float) -> None:
    """Wait until a process that runs beside a testbed says by HTTP that it is ready.

    Raises:
        TestbedError: It has ended, or did not answer in time; the message ends with its log.
    """

    def is_ready() -> bool:
        return process.poll() is not None or asking.over_http("127.0.0.1", port, path)

    if not wait_until(is_ready, timeout_s) or process.poll() is not None:
        fate = "did not answer" if process.poll() is None else f"ended with {process.returncode}"
        raise TestbedError(f"{name} {fate}; its log ends with\n{tail(log)}")


def tail(log: Path, size: int = 2000) -> str:
    """Return the end of a log."""
    with open(log, "rb") as source:
        source.seek(max(0, log.stat().st_size - size))
        return source.read().decode("utf-8", "replace")


def stop(recorded: Iterable[Record], timeout_s: float = 5) -> None:
    """Ask the recorded processes to end, and wait until they have, but not longer than this."""
    alive = [record for record in recorded if record.is_alive]
    for record in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, signal.SIGTERM)
    wait_until(lambda: not any(record.is_alive for record in alive), timeout_s)


def wait_until(happened: Callable[[], bool], timeout_s: float) -> bool:
    """Ask until something has happened; returns whether it did in time."""
    deadline = time.monotonic() + timeout_s
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(_BETWEEN_QUESTIONS_S)
    return True
