"""What the machine itself takes: a bare fork, a bare interpreter, a flushed write, an array made and summed.

A benchmark's figure is read beside these, measured in the same run: on a shared machine only the ratio travels.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

CHUNK_BYTES = 8_000_000
"""One write call's size in `flushed_write_s`: calls cost nothing, and this process stays small."""

FORKS = 200
"""Forks timed at once: about a tenth of a second."""

MAKE_AND_SUM = """
import sys
import numpy
numpy.random.default_rng(0).random(int(sys.argv[1]) * 250_000, dtype=numpy.float32).sum()
"""
"""The array benchmark's own computing without a system around it; the argument is the size in MB."""


def fork_s() -> float:
    """Seconds for one fork, exit and wait: the least a process per step can cost."""
    start = time.perf_counter()
    for _ in range(FORKS):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    return (time.perf_counter() - start) / FORKS


def flushed_write_s(folder: Path, megabytes: int) -> float:
    """Seconds to write a file of this size (MB, 10^6 bytes) and have it on the disk, fsync included."""
    chunk = os.urandom(CHUNK_BYTES)
    left = megabytes * 1_000_000
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        start = time.perf_counter()
        while left > 0:
            left -= file.write(chunk[:left])
        os.fsync(file.fileno())
        return time.perf_counter() - start


def bare_interpreter() -> list[str]:
    """The command of a Python process that does nothing."""
    return [sys.executable, "-c", "pass"]
