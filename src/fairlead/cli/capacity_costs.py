"""Print what the nodes of simulations cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fairlead.cli.output import print_table

if TYPE_CHECKING:
    from fairlead.specs.capacity import SimulationReport


def print_costs(found: Mapping[str, SimulationReport], what: str) -> None:
    """Print the costs of simulations that have them, and name what has no price; `what` heads the column of names."""
    costs = {name: report.cost for name, report in found.items() if report.cost is not None}
    if not costs:
        return
    head = [what, "NODES PER H", "OVER MAKESPAN", "PER USED GPU-H", "MORE THAN AS IS"]
    rows = [
        [
            name,
            *(_money(value, each.currency) for value in (each.per_h, each.over_makespan, each.per_used_gpu_h)),
            _money(each.more_than_as_is, each.currency, sign="+"),
        ]
        for name, each in costs.items()
    ]
    if all(each.more_than_as_is is None for each in costs.values()):
        head, rows = head[:-1], [row[:-1] for row in rows]
    print()
    print_table(head, rows)
    for name, each in costs.items():
        if each.lacking:
            print(f"{name}: no cost is known: {', '.join(each.lacking)}")


def _money(value: float | None, currency: str, *, sign: str = "-") -> str:
    """Write an amount of money for people: ``12.30 EUR``, or ``+12.30 EUR`` where its sign is to be seen."""
    return "-" if value is None else f"{value:{sign}.2f} {currency}"
