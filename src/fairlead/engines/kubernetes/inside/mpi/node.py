"""The pod of a node of a gang whose ranks ``mpirun`` starts: it brings what they need, and runs an SSH server.

Without keys nobody needs one: what ``mpirun`` starts comes into the pod by ``kubectl exec``.

Ranks are no children of this process. Each writes down its process while it runs, so that a pod that is asked to end
can ask them, and writes its output into a pipe, which comes out here: a rank's output is its pod's.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from fairlead.engines.kubernetes.inside.mpi import ssh
from fairlead.engines.kubernetes.inside.mpi.place import Place, add_reach
from fairlead.engines.kubernetes.inside.nodes import Node, arrive, fail, node_parser
from fairlead.errors import FairleadError
from fairlead.worker.pods.children import GRACE_S, starting

_IDLE = "fairlead.worker.debugging.sleeping"
_BLOCK = 64 << 10
_LOOK_S = 0.1


def main() -> int:
    """Serve until the pod is asked to end; returns the exit code."""
    parser = node_parser("fairlead-mpi-node")
    parser.add_argument("--node-variable", required=True)
    add_reach(parser)
    given, _ = parser.parse_known_args()
    try:
        return _run(given)
    except FairleadError as error:  # the edge of the process
        print(f"fairlead: {error}", file=sys.stderr)
        return 1


def _run(given: argparse.Namespace) -> int:
    node = arrive(given)
    if node is None:
        return 1
    is_served = given.keys is not None
    try:
        ssh.check_image("mpirun", *(("sshd", "ssh") if is_served else ()))
    except ssh.ImageError as error:
        fail(node, "Launch", error, retry=False)
        raise
    place = _furnished(node, given.work)
    _pass_on(place.output)
    if not is_served:
        return serve(starting(_IDLE), place)
    ssh.write_client(place.folder, given.keys, given.port)  # in a large gang nodes reach further ones
    command = ssh.write_server(place.folder, given.keys, given.port, **place.variables)
    return serve(command, place)


def _furnished(node: Node, work: Path) -> Place:
    """Write down what the ranks of this node go by."""
    place = Place.under(work)
    place.folder.mkdir(mode=0o700, exist_ok=True)
    place.ranks.mkdir(exist_ok=True)
    place.write(node.task, node.number, node.ranks[0].master_address)
    os.mkfifo(place.output, 0o600)
    return place


def _pass_on(pipe: Path) -> None:
    """Write to this pod's output whatever the ranks write."""
    descriptor = os.open(pipe, os.O_RDWR)  # and so it has a writer for ever

    def copy() -> None:
        while block := os.read(descriptor, _BLOCK):
            with suppress(OSError):  # nobody reads this pod's output any more
                sys.stdout.buffer.write(block)
                sys.stdout.buffer.flush()

    threading.Thread(target=copy, name="fairlead-output", daemon=True).start()


def serve(command: list[str], place: Place) -> int:
    """Run a server until it ends, or this process is asked to end: the ranks are asked first, and waited for a while.

    Args:
        command: The server's.
        place: What the ranks of this node go by.
    """
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def leave() -> None:
        until = time.monotonic() + GRACE_S
        while place.running() and time.monotonic() < until:
            time.sleep(_LOOK_S)
        server.terminate()

    def asked(number: int, frame: FrameType | None) -> None:
        for process in place.running():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
        threading.Thread(target=leave, name="fairlead-leaving", daemon=True).start()

    signal.signal(signal.SIGTERM, asked)
    while True:
        process, status = os.wait()  # others are what sessions have left: in a container they come to its first process
        if process == server.pid:
            return os.waitstatus_to_exitcode(status) and 1


if __name__ == "__main__":
    sys.exit(main())
