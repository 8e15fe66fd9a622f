"""The two errors of the testbed; a message ends with what to do."""

from __future__ import annotations


class TestbedError(Exception):
    """The testbed can't be had as it was asked for: what, why, and what to do."""

    __test__ = False  # not a class of tests, whatever its name says to pytest


class BuildFailed(TestbedError):
    """A program or an image could not be built; a component that is not needed by the others may be missing."""
