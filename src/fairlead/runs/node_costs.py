"""What the nodes of a simulation cost, by a price book: all of them all the time, whether jobs use them or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import msgspec

from fairlead.insight.planning.prices import PriceBook, price_of
from fairlead.planner.nodes import Node
from fairlead.specs.reports import SimulationReport
from fairlead.specs.simulated import NodesCost

_CORE = 1000
_GIB = 1024
_HOUR_S = 3600


def with_cost(report: SimulationReport, nodes: Sequence[Node], book: PriceBook | None) -> SimulationReport:
    """Return a report with what its nodes cost; as it is where there is no book."""
    if book is None:
        return report
    return msgspec.structs.replace(report, cost=_cost(report, nodes, book))


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


def _cost(report: SimulationReport, nodes: Sequence[Node], book: PriceBook) -> NodesCost:
    amounts: dict[str, Decimal] = {}
    for node in nodes:
        _add(amounts, "cpu", Decimal(node.cpu_millis) / _CORE)
        _add(amounts, "memory", Decimal(node.memory_mib) / _GIB)
        _add(amounts, node.model, Decimal(node.gpus))
    prices = {what: price_of(book, what) for what, amount in amounts.items() if amount}
    lacking = tuple(f"no price of {what}" for what, price in prices.items() if price is None)
    if lacking:
        return NodesCost(currency=book.currency, lacking=lacking)
    per_h = float(sum(amounts[what] * Decimal(str(price)) for what, price in prices.items()))
    makespan = per_h * report.makespan_s / _HOUR_S
    gpus = sum(node.gpus for node in nodes)
    used_gpu_h = gpus * report.scheduling_occupancy / 100 * report.makespan_s / _HOUR_S
    return NodesCost(
        currency=book.currency,
        per_h=round(per_h, 6),
        over_makespan=round(makespan, 6),
        per_used_gpu_h=round(makespan / used_gpu_h, 6) if used_gpu_h else None,
    )


def _add(amounts: dict[str, Decimal], what: str, amount: Decimal) -> None:
    amounts[what] = amounts.get(what, Decimal(0)) + amount
