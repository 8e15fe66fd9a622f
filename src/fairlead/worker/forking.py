"""Whether a process can be forked: it must have a single thread, and no library that does not survive a fork."""

from __future__ import annotations

import os
import sys
import threading

NOT_FORKABLE = ("jax", "tensorflow", "ray", "grpc", "cupy", "pyspark", "mlx")
"""Libraries that do not work in a process forked after their import, whatever its threads."""


def why_not_forkable() -> str:
    """Say why this process can't be forked safely any more, or nothing."""
    found = [name for name in NOT_FORKABLE if name in sys.modules]
    if found:
        return f"the project imports {', '.join(found)}, which can't be forked"
    try:
        threads = len(os.listdir("/proc/self/task"))
    except OSError:
        threads = threading.active_count()
    return "" if threads == 1 else f"importing the project started {threads - 1} threads"
