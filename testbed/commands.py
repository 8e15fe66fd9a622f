"""Running another program to its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .faults import TestbedError

_QUOTED = 1500  # characters of what a failed program said


def run(
    *command: str | Path,
    where: Path | None = None,
    given: str = "",
    environment: Mapping[str, str] | None = None,
    failure: type[TestbedError] = TestbedError,
) -> str:
    """Run a program and return what it printed.

    Args:
        command: The program and its arguments.
        where: The folder it runs in.
        given: Its standard input.
        environment: Variables beside those of this process.
        failure: What is raised where it fails.

    Raises:
        TestbedError: It is not there, or its exit code is not 0; the message ends with what it said.
    """
    line = " ".join(map(str, command))
    try:
        done = subprocess.run(
            command,
            cwd=where,
            input=given,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as missing:
        raise failure(f"{line}: there is no {missing.filename}") from missing
    if done.returncode:
        raise failure(f"{line} gave {done.returncode}:\n{(done.stdout + done.stderr)[-_QUOTED:].strip()}")
    return done.stdout


def succeeds(*command: str | Path) -> bool:
    """Say whether a program ends with exit code 0."""
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0
