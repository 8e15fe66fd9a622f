"""An attempt under way: its processes, and what to say of how it ended."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from fairlead.engines.local.capacity import Amount
from fairlead.specs.reports import ErrorReport
from fairlead.specs.runtimes import RankRuntime, kind_of
from fairlead.store.progress import Instance
from fairlead.store.records import AttemptRecord, Outcome, Summary
from fairlead.worker.failures import TAIL_LINES, crash, hint, last_lines, signal_name
from fairlead.worker.ranks import ranks_on
from fairlead.worker.tasks import Exited, Rank

Stopping = Literal["", "timeout", "cancel", "memory", "gang", "pruned"]


class Attempt:
    """One attempt of an instance: one process, or a gang of them.

    Attributes:
        processes: The number of each rank's process.
        stopping: Why it is being stopped, where it is.
    """

    def __init__(self, instance: Instance, number: int, amount: Amount, gpus: tuple[int, ...]) -> None:
        self.instance = instance
        self.number = number
        self.amount = amount
        self.gpus = gpus
        self.started = time.time()
        self.deadline: float | None = None
        self.kill_at: float | None = None
        self.processes: dict[int, int | None] = {}
        self.exits: dict[int, Exited] = {}
        self.first_exit: int | None = None
        self.stopping: Stopping = ""
        self.summaries: dict[str, Summary] = {}
        self.logs: dict[int, Path] = {}
        self.metrics: list[Path] = []

    @property
    def ended(self) -> bool:
        """Whether all its processes have ended."""
        return len(self.exits) == len(self.processes)

    @property
    def is_gang(self) -> bool:
        """Whether it has several processes."""
        return None not in self.processes.values()


def ranks_of(runtime: RankRuntime) -> list[Rank]:
    """Return the ranks of a gang on this machine, joined over ports that are free now."""
    port, *others = _free_ports(1 + (runtime.world_size if kind_of(runtime) == "tensorflow" else 0))
    workers = tuple(f"127.0.0.1:{other}" for other in others)
    return ranks_on(runtime, range(runtime.nodes), "127.0.0.1", port, workers)


def _free_ports(count: int) -> list[int]:
    """Return different ports that are free now: all are held until the last one is found."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def record_of_loss(instance: Instance, number: int, died: float) -> AttemptRecord:
    """Describe an attempt that was under way when its driver died, about which no more is known than when."""
    return AttemptRecord(
        step=instance.name,
        index=instance.index,
        number=number,
        status="lost",
        error=ErrorReport(type="Lost", message="the driver of the run was killed, and the step with it"),
        retry=True,
        infrastructure=True,
        started=died,
        finished=died,
    )


def record_of_death(attempt: Attempt, exited: Exited, log: Path | None, *, host: str) -> AttemptRecord:
    """Describe an attempt whose process ended without leaving a record."""
    number, code = _signal_and_code(exited.status)
    kind, message = _cause(attempt, exited, number, code)
    lines = last_lines(log)
    tail = lines[-TAIL_LINES:]
    said, frames = crash(lines)
    return AttemptRecord(
        step=attempt.instance.name,
        index=attempt.instance.index,
        number=attempt.number,
        status="cancelled" if attempt.stopping in ("cancel", "pruned") else "failed",
        exit_code=code,
        signal=number,
        error=ErrorReport(
            type=kind, message=message, frames=frames, line=said[-1] if said else "", traceback="\n".join(tail)
        ),
        outcome=Outcome(metrics=attempt.summaries),
        infrastructure=exited.template_died,
        started=attempt.started,
        finished=time.time(),
        peak_memory_bytes=exited.peak_memory_bytes or None,
        cpu_s=exited.cpu_s,
        host=host,
    )


def _cause(attempt: Attempt, exited: Exited, number: int | None, code: int | None) -> tuple[str, str]:
    step = attempt.instance.step
    if exited.template_died:
        return "Lost", "the process that all steps are forked from was killed, and the step with it"
    match attempt.stopping:
        case "timeout":
            return "Timeout", f"took longer than its timeout of {step.timeout}"
        case "memory":
            return "Memory", f"used more than its memory limit of {step.resources.memory}"
        case "cancel":
            return "Cancelled", "was cancelled"
        case "pruned":
            return "Pruned", "was stopped early by the sweep's pruner"
    if number is not None:
        return "Signal", f"the process was killed by signal {number} ({signal_name(number)}){hint(number)}"
    return "Exit", f"the process ended with exit code {code} before the step returned"


def _signal_and_code(status: int) -> tuple[int | None, int | None]:
    code = os.waitstatus_to_exitcode(status)
    return (-code, None) if code < 0 else (None, code)
