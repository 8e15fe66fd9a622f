"""Usage of workloads that Fairlead did not run, as a table: a row for each pod or attempt.

docs/capacity.md has the columns.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fairlead.planner.tables import Row, Table, read_table

_COLUMNS = ("workload", "seconds", "cpu_request_milli", "memory_request_mib", "cpu_used_milli", "memory_used_mib")
_SECONDS_MOST = 10 * 366 * 86400
_MIB = 1 << 20


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one pod or attempt of a workload asked for and used.

    Attributes:
        workload: What is to be sized: all rows with this name together.
        seconds: How long it ran.
        cpu_request_millis: CPU that it asked for, in thousandths of a core; None where it asked for none.
        memory_request_bytes: Memory that it asked for; None where it asked for none.
        cpu_used_millis: CPU that it used, as a mean over its time.
        memory_used_bytes: The most memory that it had.
        killed: Whether it was killed for want of memory.
        failed: Whether it failed otherwise.
        gpu_memory_bytes: The most memory that it had of a GPU, where that is said.
        gpu_percent: How busy its GPUs were, where that is said.
    """

    workload: str
    seconds: float
    cpu_request_millis: int | None
    memory_request_bytes: int | None
    cpu_used_millis: int | None
    memory_used_bytes: int | None
    killed: bool = False
    failed: bool = False
    gpu_memory_bytes: int | None = None
    gpu_percent: int | None = None


def read_usage(lines: Iterable[str]) -> Table[Usage]:
    """Read a table of usage."""
    return read_table(lines, _COLUMNS, _usage)


def _usage(row: Row) -> Usage:
    outcome = row.text("outcome", needed=False) or "succeeded"
    if outcome not in ("succeeded", "failed", "oom-killed"):
        row.fault("outcome", f"{outcome[:40]!r} is none of succeeded, failed, oom-killed")
    return Usage(
        workload=row.text("workload"),
        seconds=row.number("seconds", least=1, most=_SECONDS_MOST),
        cpu_request_millis=_perhaps(row, "cpu_request_milli"),
        memory_request_bytes=_mib(_perhaps(row, "memory_request_mib")),
        cpu_used_millis=_perhaps(row, "cpu_used_milli"),
        memory_used_bytes=_mib(_perhaps(row, "memory_used_mib")),
        killed=outcome == "oom-killed",
        failed=outcome == "failed",
        gpu_memory_bytes=_mib(_perhaps(row, "gpu_memory_used_mib")),
        gpu_percent=_perhaps(row, "gpu_used_percent"),
    )


def _perhaps(row: Row, column: str) -> int | None:
    """Return a number; None where the cell is empty, or there is no such column."""
    most = 100 if column.endswith("percent") else None
    if not row.text(column, needed=False):
        return None
    return row.number(column) if most is None else row.number(column, most=most)


def _mib(amount: int | None) -> int | None:
    return None if amount is None else amount * _MIB
