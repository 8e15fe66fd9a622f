"""When nodes are taken away in a simulation: read from a table, or by a rate of those that their provider may take."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from fairlead.errors import UsageError
from fairlead.planner.nodes import Node, ReclaimRate
from fairlead.planner.plain import read_reclaims
from fairlead.planner.reclaims import Reclaim, rate_of
from fairlead.runs.tables import read_rows


def listed_reclaims(
    file: Path | None, nodes: tuple[Node, ...], notes: list[str], *, skip_bad: bool
) -> tuple[Reclaim, ...]:
    """Return when a table has nodes taken away; as `read_rows` does."""
    if file is None:
        return ()
    return read_rows(file, lambda lines: read_reclaims(lines, nodes), notes, skip_bad=skip_bad)


def spot_rate(per_h: float | None, back_after: str | None) -> ReclaimRate | None:
    """Return how often spot nodes are taken, and how soon they are back; None where that is not said.

    Raises:
        UsageError: Only one of both is said, or one of them can't be.
    """
    try:
        return rate_of(per_h, back_after)
    except ValueError as error:
        raise UsageError(
            "spot nodes can't be taken away so", where="--spot-reclaim-rate, --spot-back-after", why=str(error),
            next="give both: --spot-reclaim-rate 0.05 --spot-back-after 10m",
        ) from error  # fmt: skip


def with_rate(nodes: Iterable[Node], rate: ReclaimRate | None) -> tuple[Node, ...]:
    """Return nodes, with a rate for those spot nodes that have none of their own."""
    return tuple(
        msgspec.structs.replace(node, reclaims=rate) if node.spot and node.reclaims is None else node for node in nodes
    )
