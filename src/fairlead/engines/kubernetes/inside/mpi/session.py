"""What an SSH server runs instead of a command: the command, in the environment of the pod.

SSH passes no environment on, and a pod's has secrets in it, which belong on no command line: a file that the pod's user
alone can read has them. Run by its path, ``python3 session.py FILE``, and so without any other module.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def keep(path: Path, environment: Mapping[bytes, bytes]) -> None:
    """Write an environment into a file, as ``/proc/PID/environ`` has it."""
    path.touch(0o600)
    path.chmod(0o600)
    path.write_bytes(b"\0".join(name + b"=" + value for name, value in environment.items()))


def kept(path: Path) -> dict[bytes, bytes]:
    """Read it."""
    pairs = (each.partition(b"=") for each in path.read_bytes().split(b"\0"))
    return {name: value for name, _, value in pairs if name}


def main() -> None:
    """Become the command that the client has asked for."""
    shell = os.environ.get("SHELL", "/bin/sh")  # which the client takes for granted when it writes its command
    command = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    os.execve(shell, [os.path.basename(shell), "-c", command], kept(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
