"""What a process has used, and those that it has started: memory at its peak, and time of CPUs."""

from __future__ import annotations

import resource
import sys
from typing import NamedTuple

MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""The unit in which the system tells the peak memory of a process."""


class Usage(NamedTuple):
    """What was used.

    Attributes:
        peak_memory_bytes: The resident memory of the process, or of the largest of those that it has started and that
            have ended, at its peak.
        cpu_s: Of all of them together.
    """

    peak_memory_bytes: int
    cpu_s: float


def usage() -> Usage:
    """Return what this process and those that it has started have used until now."""
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return Usage(
        max(own.ru_maxrss, others.ru_maxrss) * MAXRSS_BYTES,
        own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime,
    )
