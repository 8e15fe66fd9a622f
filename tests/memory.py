"""The most memory that a process has held, as programs that tests start say it of themselves."""

from __future__ import annotations

import sys

import pytest

# Not getrusage: what it says of a process begins with what its parent held when it started it.
PEAK_MIB = """
def peak_mib():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) >> 10
"""
needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
