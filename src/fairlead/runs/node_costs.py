"""What the nodes of a simulation cost, by a price book: all the time that they are there, used or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from fairlead.insight.planning.prices import PriceBook, price_of
from fairlead.planner.nodes import Node
from fairlead.specs.capacity import SimulationReport
from fairlead.specs.simulated import NodesCost

_CORE = 1000
_GIB = 1024
_HOUR_S = 3600


class _Sold(NamedTuple):
    """Something that is sold, and whether at the price of nodes that may be taken away."""

    what: str
    spot: bool


def with_cost(
    report: SimulationReport, nodes: Sequence[Node], book: PriceBook | None, away_s: Sequence[int] = ()
) -> SimulationReport:
    """Return a report with what its nodes cost; as it is where there is no book.

    Args:
        report: The report.
        nodes: The nodes.
        book: The prices.
        away_s: For how long each node was taken away, which costs nothing; none of them where it is empty.
    """
    if book is None:
        return report
    return msgspec.structs.replace(report, cost=_cost(report, nodes, book, away_s))


def with_differences(reports: Iterable[tuple[str, SimulationReport]]) -> Iterator[tuple[str, SimulationReport]]:
    """Yield reports with how much more each costs than the first, which is as it is."""
    as_is: float | None = None
    for number, (name, report) in enumerate(reports):
        if report.cost is not None and number == 0:
            as_is = report.cost.over_makespan
        if number and as_is is not None and report.cost is not None and report.cost.over_makespan is not None:
            cost = msgspec.structs.replace(report.cost, more_than_as_is=round(report.cost.over_makespan - as_is, 6))
            yield name, msgspec.structs.replace(report, cost=cost)
        else:
            yield name, report


def _cost(report: SimulationReport, nodes: Sequence[Node], book: PriceBook, away_s: Sequence[int]) -> NodesCost:
    amounts = [_amounts(node) for node in nodes]
    prices = {each: price_of(book, each.what, spot=each.spot) for listed in amounts for each in listed}
    lacking = dict.fromkeys(f"no price of {each.what}" for each, price in prices.items() if price is None)
    if lacking:
        return NodesCost(currency=book.currency, lacking=tuple(lacking))
    per_h_of = [sum(amount * Decimal(str(prices[each])) for each, amount in listed.items()) for listed in amounts]
    per_h = float(sum(per_h_of))
    away = float(sum(cost * seconds for cost, seconds in zip(per_h_of, away_s, strict=False)))
    makespan = (per_h * report.makespan_s - away) / _HOUR_S
    gpus = sum(node.gpus for node in nodes)
    used_gpu_h = gpus * report.scheduling_occupancy / 100 * report.makespan_s / _HOUR_S
    return NodesCost(
        currency=book.currency,
        per_h=round(per_h, 6),
        over_makespan=round(makespan, 6),
        per_used_gpu_h=round(makespan / used_gpu_h, 6) if used_gpu_h else None,
    )


def _amounts(node: Node) -> dict[_Sold, Decimal]:
    """Return what there is of a node that has a price."""
    amounts = {
        "cpu": Decimal(node.cpu_millis) / _CORE,
        "memory": Decimal(node.memory_mib) / _GIB,
        node.model: Decimal(node.gpus),
    }
    return {_Sold(what, node.spot): amount for what, amount in amounts.items() if amount}
