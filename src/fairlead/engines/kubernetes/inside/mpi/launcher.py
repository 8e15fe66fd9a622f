"""The pod that runs ``mpirun``: it waits until the nodes can be reached, and starts one process for each rank there.

It is no rank. A rank's end stands in the rank's own record; what is recorded here is why none of them began.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

from fairlead.engines.kubernetes.inside.mpi import ssh
from fairlead.engines.kubernetes.inside.mpi.place import OUTPUT, Place, add_reach
from fairlead.engines.kubernetes.inside.nodes import hosts, node_parser, read_task
from fairlead.engines.kubernetes.inside.ranks import as_rank, record_deaths
from fairlead.errors import FairleadError
from fairlead.specs.runtimes import RankRuntime
from fairlead.store.backends import Backend
from fairlead.store.history import attempts_of
from fairlead.targets.training.mpi_job import PLACE
from fairlead.worker.failures import TAIL_LINES
from fairlead.worker.pods.children import Death, starting
from fairlead.worker.ranks import ranks_on
from fairlead.worker.running import task_name
from fairlead.worker.tasks import WorkerTask

RANK = "fairlead.engines.kubernetes.inside.mpi.rank"

AGENT = "OMPI_MCA_plm_rsh_agent"
"""The variable that says what Open MPI reaches the nodes with: an operator's own, where that is not SSH."""
_SSH = "ssh"

SETTINGS = {
    # Ranks of pods that share a machine would be bound to the same cores of it.
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "I_MPI_PIN": "0",
    # Seconds between the two signals by which a rank is ended: by default too few for it to say so.
    "OMPI_MCA_odls_base_sigkill_timeout": "5",
    "PRTE_MCA_odls_base_sigkill_timeout": "5",
}
"""Of Open MPI 4, Open MPI 5 and Intel MPI, where the step has no others."""

_AT_ONCE = 16
"""Nodes that are looked for at once."""
_LOOK_S = 1.0
_STRANGERS = ("Permission denied", "Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED")
"""What SSH says where another try would end in the same way."""
_UNREACHED = 255
"""SSH's own exit code; others are those of what it has run."""


class LaunchError(FairleadError):
    """``mpirun`` can't start ranks; another attempt would end in the same way."""


def main() -> int:
    """Run the ranks of an attempt; returns the exit code."""
    parser = node_parser("fairlead-mpi-launcher")
    add_reach(parser)
    given, _ = parser.parse_known_args()
    backend, task = read_task(given)
    launch = Launch(backend, task, given)
    signal.signal(signal.SIGTERM, launch.end)
    try:
        return launch.run()
    except FairleadError as error:  # the edge of the process
        print(f"fairlead: {error}", file=sys.stderr)
        launch.record(Death("Launch", str(error), time.time(), None, None, infrastructure=False), retry=False)
        return 1


class Launch:
    """One run of ``mpirun``.

    Args:
        backend: The store.
        task: The attempt's.
        given: Where the pods are, and how they are reached.
    """

    def __init__(self, backend: Backend, task: WorkerTask, given: argparse.Namespace) -> None:
        self._backend = backend
        self._task = task
        self._given = given
        self._folder = Place.under(given.work).folder
        self._process: subprocess.Popen[bytes] | None = None
        self._is_asked_to_end = False

    def run(self) -> int:
        """Wait for the nodes, and run all ranks to their end.

        Raises:
            FairleadError: None of them can begin.
        """
        if self._given.keys is None:
            ssh.check_image("mpirun")
        else:
            ssh.check_image("mpirun", "ssh")
            self._folder.mkdir(mode=0o700, exist_ok=True)
            ssh.write_client(self._folder, self._given.keys, self._given.port)
            os.environ |= {"PATH": ssh.path_with(self._folder), AGENT: _SSH}
        if not self._reached():
            return 1
        started = time.time()
        status, lines = self._mpirun()
        if status and not self._is_asked_to_end and not self._has_records():
            why = f"mpirun ended with exit code {status}, and no rank has left a record"
            code, number = (None, -status) if status < 0 else (status, None)
            self.record(Death("Launch", why, started, code, number, infrastructure=True, lines=tuple(lines)))
        return 1 if status else 0

    def end(self, number: int, frame: FrameType | None) -> None:
        """End it: ``mpirun`` ends the ranks."""
        self._is_asked_to_end = True
        if self._process is not None:
            self._process.terminate()

    def record(self, death: Death, *, retry: bool | None = None) -> None:
        """Record why no rank began, as the end of the first one."""
        first = ranks_on(self._runtime, [0], "", 0, ())[0]
        record_deaths(self._backend, [as_rank(self._task, first)], [death], retry=retry)

    @property
    def _runtime(self) -> RankRuntime:
        assert isinstance(self._task.step.runtime, RankRuntime)
        return self._task.step.runtime

    def _reached(self) -> bool:
        """Wait until every node can be reached; says no where one of them has given up, or nobody wants it any more."""
        left, said = hosts(self._task, self._given.hosts), ""
        while not self._is_asked_to_end:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                answers = list(zip(left, pool.map(_why_unreached, left), strict=True))
            left = [host for host, why in answers if why]
            if not left:
                return True
            if self._has_records():
                return False
            why = next(why for _, why in answers if why)
            if why != said:
                print(f"fairlead: waiting for {len(left)} nodes: {why}", flush=True)
                said = why
            time.sleep(_LOOK_S)
        return False

    def _mpirun(self) -> tuple[int, deque[str]]:
        """Run it; returns how it ended, and its last lines."""
        program = ssh.found("mpirun")
        assert program is not None
        ranks = ["-n", str(self._runtime.world_size), *starting(RANK)]
        lines: deque[str] = deque(maxlen=TAIL_LINES)
        with subprocess.Popen(
            [program, *ranks],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**SETTINGS, **os.environ, **self._task.variables, "PATH": os.environ["PATH"]},
        ) as self._process:
            if self._is_asked_to_end:
                self._process.terminate()
            assert self._process.stdout is not None
            for line in self._process.stdout:
                text = line.decode("utf-8", "replace").rstrip()
                lines.append(text)
                print(text, flush=True)
        return self._process.returncode, lines

    def _has_records(self) -> bool:
        """Say whether a rank of this attempt has left a record."""
        own = task_name(self._task)
        return any(
            found.number == own.number and found.rank is not None
            for _, found in attempts_of(self._backend, self._task.run, own.step, own.index)
        )


def _why_unreached(host: str) -> str:
    """Return why a node can't be reached yet, or is not ready for ranks; empty where it is.

    Raises:
        LaunchError: It never will be.
    """
    agent = os.environ[AGENT]
    command = [agent, host, f'test -p "${PLACE}/{OUTPUT}"']
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    said = done.stdout.decode("utf-8", "replace").strip() or f"{agent} ended with exit code {done.returncode}"
    if done.returncode == 0:
        return ""
    if agent != _SSH or (done.returncode == _UNREACHED and not any(each in said for each in _STRANGERS)):
        return said.splitlines()[-1]
    raise LaunchError(
        "a node of the gang does not let its launcher in",
        where=host,
        why=said.splitlines()[-1],
        next="look at the pod's log; the image's user must have a shell that runs commands: docs/targets/training.md",
    )


if __name__ == "__main__":
    sys.exit(main())
