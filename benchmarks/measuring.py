"""Run one command and say what it and every process below it cost; sum up repeated figures.

Figures come from the kernel (`getrusage`), so that a command need not take part. Not for profiling inside a process.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
"""prctl(2): orphans below this process become its children, so that daemons are waited for and counted too."""

ORPHAN_GRACE_S = 10.0
"""How long processes that outlive the command may go on before they are killed."""

TAIL_CHARACTERS = 2000
"""How much of the end of a failed command's output is kept."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one command cost.

    Attributes:
        wall_s: From the start of the command to its end; processes that outlive it don't count.
        cpu_s: User and system time of the command and all its descendants, those that outlive it too.
        peak_rss_mb: Largest resident set of any one of these processes, in MB (10^6 bytes).
        other_cores: Cores kept busy by the rest of the machine meanwhile; None where the kernel does not say.
        returncode: Exit status; negative for a signal; None if the time limit passed.
    """

    wall_s: float
    cpu_s: float
    peak_rss_mb: float
    other_cores: float | None
    returncode: int | None


class CommandFailed(Exception):
    """A measured command ended with an error or ran past its limit; the text holds the end of its output."""


def measure(command: Sequence[str], *, folder: Path, environment: Mapping[str, str], limit_s: float) -> Usage:
    """Run a command in `folder` and return its cost.

    Raises:
        CommandFailed: it ended with an error or past `limit_s`.
    """
    output = folder / "output.txt"
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()  # a process of its own for each command, so that its RUSAGE_CHILDREN holds nothing else
    if child == 0:
        try:
            os.close(reader)
            usage = _measure_here(command, folder, environment, limit_s, output)
            os.write(writer, json.dumps(asdict(usage)).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if not answer:
        raise CommandFailed(f"{command[0]} could not be started")
    usage = Usage(**json.loads(answer))
    if usage.returncode != 0:
        how = f"ran past {limit_s:g} s" if usage.returncode is None else f"exit status {usage.returncode}"
        tail = output.read_text(errors="replace")[-TAIL_CHARACTERS:]
        raise CommandFailed(f"{' '.join(command)}: {how}\n{tail}")
    return usage


def _measure_here(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], limit_s: float, output: Path
) -> Usage:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with output.open("wb") as stream:
        busy_before, start = _machine_busy_s(), time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        limit = threading.Timer(limit_s, os.killpg, (process.pid, signal.SIGKILL))
        limit.start()
        returncode = process.wait()  # without a timeout of its own: Popen would poll, and round to 50 ms
        wall_s = time.perf_counter() - start
        limit.cancel()
        _reap_orphans(process.pid)
        elapsed_s, busy_after = time.perf_counter() - start, _machine_busy_s()
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = spent.ru_utime + spent.ru_stime
    rss_bytes = spent.ru_maxrss * (1024 if sys.platform == "linux" else 1)
    other_cores = None
    if busy_before is not None and busy_after is not None:
        other_cores = max(0.0, (busy_after - busy_before - cpu_s) / elapsed_s)
    return Usage(wall_s, cpu_s, rss_bytes / 1e6, other_cores, None if wall_s >= limit_s else returncode)


def _reap_orphans(group: int) -> None:
    deadline = time.monotonic() + ORPHAN_GRACE_S
    killed = False
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid:
            continue
        if time.monotonic() > deadline:
            if killed:  # it left the session: nothing here may end it, and its time is not counted
                return
            try:
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                return
            killed, deadline = True, time.monotonic() + 1.0
        time.sleep(0.01)


def _machine_busy_s() -> float | None:
    """Seconds all cores together have been busy since start-up."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in fields[:7])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def summary(values: Iterable[float]) -> dict[str, float]:
    """Median, smallest, largest and number of some repeated figure."""
    figures = list(values)
    return {
        "median": _rounded(statistics.median(figures)),
        "min": _rounded(min(figures)),
        "max": _rounded(max(figures)),
        "n": len(figures),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def summary_of_usages(usages: Sequence[Usage]) -> dict[str, dict[str, float]]:
    """The summary of each figure of some repeated command."""
    figures = {
        "wall_s": [usage.wall_s for usage in usages],
        "cpu_s": [usage.cpu_s for usage in usages],
        "peak_rss_mb": [usage.peak_rss_mb for usage in usages],
        "other_cores": [usage.other_cores for usage in usages if usage.other_cores is not None],
    }
    return {name: summary(values) for name, values in figures.items() if values}
