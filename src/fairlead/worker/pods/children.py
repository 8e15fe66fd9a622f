"""The child process that holds the user's function: its output passed on and kept, its end described.

The pod's own process stays apart from the user's code, so that it outlives a crash, a kill for memory or
``os._exit`` and can say what happened.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import BinaryIO, NamedTuple

import msgspec

from fairlead.decoding import decoder
from fairlead.specs.reports import ErrorReport
from fairlead.store.claims import host_name, pod_uid
from fairlead.store.layout import Task
from fairlead.store.records import AttemptRecord, Outcome, Summary
from fairlead.worker.cgroups import memory_kills
from fairlead.worker.channel import CHANNEL
from fairlead.worker.context import LoggedLine, summarized
from fairlead.worker.failures import TAIL_LINES, crash, hint, last_lines, signal_name
from fairlead.worker.mpi import inherited
from fairlead.worker.pods.spare import Spare
from fairlead.worker.tasks import WorkerTask
from fairlead.worker.usage import MAXRSS_BYTES

TASK = "fairlead.worker.pods.process"
"""The module that is the process of a task."""

GRACE_S = 20.0
"""How long the child has to end by itself after it was asked to: less than the 30 s that a pod has by default."""

_TOGETHER_S = 0.5
"""How long this process waits for the SIGTERM that its child had: where it comes, the pod was asked to end."""

START = "FAIRLEAD_START"
"""The variable that names the script by which this package was started, where it is not installed."""

PACKAGES = "FAIRLEAD_PACKAGES"
"""The variable that tells that script of a folder of packages that come before those of the image."""

_LOOK_S = 0.5
_LAST_WORDS_S = 30.0
_BLOCK = 64 << 10


class Death(NamedTuple):
    """How a child ended that did not end well.

    Attributes:
        kind: One word, as in other records: ``Exit``, ``Signal``, ``Memory``, ``Timeout``, ``Evicted``, ``StoreError``.
        infrastructure: Whether the step is not to blame: the pod was asked to end, and the child with it, for instance.
        lines: The last lines it wrote.
        metrics: What it logged.
    """

    kind: str
    message: str
    started: float
    exit_code: int | None
    signal: int | None
    infrastructure: bool
    lines: tuple[str, ...] = ()
    metrics: Mapping[str, Summary] = MappingProxyType({})
    peak_memory_bytes: int = 0
    cpu_s: float = 0.0


def record_of_death(name: Task, death: Death, *, cancelled: bool, retry: bool) -> AttemptRecord:
    """Describe an attempt whose process left no record.

    Args:
        name: The attempt.
        death: How its process ended.
        cancelled: Whether somebody had asked for it.
        retry: Whether another attempt follows.
    """
    said, frames = crash(list(death.lines))
    return AttemptRecord(
        step=name.step,
        index=name.index,
        number=name.number,
        rank=name.rank,
        status="cancelled" if cancelled else "failed",
        started=death.started,
        finished=time.time(),
        exit_code=death.exit_code,
        signal=death.signal,
        outcome=Outcome(metrics=dict(death.metrics)),
        error=ErrorReport(
            type=death.kind,
            message=death.message,
            frames=frames,
            line=said[-1] if said else "",
            traceback="\n".join(death.lines[-TAIL_LINES:]),
        ),
        retry=retry and not cancelled,
        infrastructure=death.infrastructure,
        peak_memory_bytes=death.peak_memory_bytes or None,
        cpu_s=death.cpu_s,
        host=host_name(),
        pod_uid=pod_uid(),
    )


def unkept(description: Path) -> Path:
    """Return the file in which a child says why its record could not be stored, by that of its description."""
    return description.with_name(f"{description.name}.unkept")


def starting(module: str) -> list[str]:
    """Return the command that runs a module of this package: by the script that it was delivered with, if any."""
    script = os.environ.get(START)
    return [sys.executable, script, module] if script else [sys.executable, "-m", module]


def run_child(
    task: WorkerTask,
    log: Path,
    work: Path,
    *,
    timeout_s: float | None,
    channel: socket.socket | None = None,
    module: str = TASK,
    spare: Spare | None = None,
) -> Death | None:
    """Run a task in a process of its own, and wait for its end. Called in the main thread, which takes signals.

    Args:
        task: What to do.
        log: The file that takes a copy of all it writes.
        work: A folder for the task's description.
        timeout_s: How long it may take, or None.
        channel: What a driver's process speaks to; given to it, and closed here.
        module: What the process runs: it takes the path of the description, and removes it in the end.
        spare: The process, where there is one already.

    Returns:
        None where it ended well, else how it ended.
    """
    return _wait([_Child(task, log, work / "task", channel, module, spare)], timeout_s)[0]


def run_children(tasks: Sequence[tuple[WorkerTask, Path]], work: Path) -> list[Death | None]:
    """Run the ranks of one node, each with its log; when one dies the others are stopped.

    Returns:
        As `run_child` does, for each.
    """
    children = [_Child(task, log, work / f"task-{number}") for number, (task, log) in enumerate(tasks)]
    return _wait(children, None)


def _wait(children: list[_Child], timeout_s: float | None) -> list[Death | None]:
    def stop(why: str) -> None:
        for each in children:
            each.stop(why)

    def evicted(number: int, frame: FrameType | None) -> None:
        stop("evicted")

    previous = signal.signal(signal.SIGTERM, evicted)
    timer = threading.Timer(timeout_s, stop, ("timeout",)) if timeout_s is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        left = list(children)
        while left:
            for each in left:
                if each.has_ended(_LOOK_S / len(left)) and each.status != 0:
                    stop("gang")
            left = [each for each in left if each.status is None]
        if any(each.was_terminated for each in children):
            time.sleep(_TOGETHER_S)
    finally:
        signal.signal(signal.SIGTERM, previous)
        if timer is not None:
            timer.cancel()
    return [each.death() for each in children]


def _started(command: list[str], packages: str, channel: socket.socket | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=[*([channel.fileno()] if channel else ()), *inherited(os.environ)],
        env={
            **os.environ,
            **({CHANNEL: str(channel.fileno())} if channel else {}),
            **({PACKAGES: packages} if packages else {}),
        },
    )


class _Child:
    def __init__(
        self,
        task: WorkerTask,
        log: Path,
        description: Path,
        channel: socket.socket | None = None,
        module: str = TASK,
        spare: Spare | None = None,
    ) -> None:
        self._description = description
        self._unkept = unkept(description)
        description.write_bytes(msgspec.msgpack.encode(task))
        self.status: int | None = None
        self._timeout = task.step.timeout
        self._started = time.time()
        self._stopped_for = ""
        self._kills = memory_kills()
        self._path = log
        self._log: BinaryIO = open(log, "wb")  # noqa: SIM115  # closed when the child has ended
        self._metrics = Path(task.metrics)
        self._process: subprocess.Popen[bytes] | Spare
        if spare is None:
            self._process = _started([*starting(module), str(description)], task.packages, channel)
        else:
            self._process = spare
            spare.give(description)
        if channel is not None:
            channel.close()
        self._reader = threading.Thread(target=self._pass_on, name="fairlead-output", daemon=True)
        self._reader.start()

    def has_ended(self, patience_s: float) -> bool:
        """Say whether the process has ended, after waiting for it for a while; its output is complete then."""
        try:
            self.status = self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return False
        self._signal(signal.SIGKILL)  # what it started and left behind
        self._reader.join(_LAST_WORDS_S)  # in vain where something that it started has left its group
        return True

    @property
    def was_terminated(self) -> bool:
        """Whether it has ended by a SIGTERM, perhaps not its own: Argo signals all processes of a container at once."""
        return self._process.poll() == -signal.SIGTERM

    def stop(self, why: str) -> None:
        """Ask the process to end, and kill it where it does not in time."""
        if self._process.poll() is None or (why == "evicted" and self.was_terminated):
            self._stopped_for = self._stopped_for or why
        if self._process.poll() is not None:
            return
        self._signal(signal.SIGTERM)
        killer = threading.Timer(GRACE_S, self._signal, (signal.SIGKILL,))
        killer.daemon = True
        killer.start()

    def death(self) -> Death | None:
        """Return how the process ended; None where it ended well."""
        return None if self.status == 0 and not self._description.exists() else self._describe(self.status or 0)

    def _pass_on(self) -> None:
        """Write what the process writes to this pod's output and to the log, until nobody can write any more."""
        assert self._process.stdout is not None
        own = sys.stdout.buffer
        while block := self._process.stdout.read1(_BLOCK):  # type: ignore[attr-defined]  # a buffered reader
            self._log.write(block)
            self._log.flush()
            with suppress(OSError):  # nobody reads this pod's output any more
                own.write(block)
                own.flush()
        self._log.close()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _describe(self, status: int) -> Death:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        number = -status if status < 0 else None
        kind, message = self._cause(number, status)
        return Death(
            kind=kind,
            message=message,
            started=self._started,
            exit_code=None if status < 0 else status,
            signal=number,
            infrastructure=kind in ("Evicted", "StoreError"),
            lines=tuple(last_lines(self._path)),
            metrics=summarized(_read_metrics(self._metrics)),
            peak_memory_bytes=usage.ru_maxrss * MAXRSS_BYTES,
            cpu_s=usage.ru_utime + usage.ru_stime,
        )

    def _cause(self, number: int | None, status: int) -> tuple[str, str]:
        if self._stopped_for == "timeout":
            return "Timeout", f"took longer than its timeout of {self._timeout}"
        if self._stopped_for == "gang":
            return "Gang", "another rank of its node died"
        if self._stopped_for == "evicted":
            return "Evicted", "the pod was asked to end: it was evicted, preempted or deleted"
        if self._unkept.exists():
            return "StoreError", self._unkept.read_text()
        if number == signal.SIGKILL and memory_kills() > self._kills:
            return "Memory", "used more than the memory limit of its container"
        if number is not None:
            return "Signal", f"the process was killed by signal {number} ({signal_name(number)}){hint(number)}"
        return "Exit", f"the process ended with exit code {status} before the step returned"


def _read_metrics(path: Path) -> Iterator[LoggedLine]:
    """Yield what was logged; the last line may be cut."""
    with suppress(FileNotFoundError, msgspec.DecodeError), path.open("rb") as file:
        for line in file:
            yield decoder(LoggedLine).decode(line)
