"""Costs by a price book, and durations by what was: what is not known is said, and never taken for nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.insight.planning.documents import Cost, Spread
from fairlead.insight.planning.history import spread
from fairlead.insight.planning.prices import Price, PriceBook, book_faults, cost_of, price_of, together, total
from fairlead.specs.resources import Resources
from insight.planning.flows import asks, fit

HOUR = Spread(p50=3600, p90=7200, attempts=3)
CORES = Price(what="cpu", per_h=0.1, spot_per_h=0.04)
MEMORY = Price(what="memory", per_h=0.01)


def book(*prices: Price) -> PriceBook:
    return PriceBook(currency="EUR", price=(CORES, MEMORY, *prices))


def cost(step: Any, *prices: Price, count: int | None = None) -> Cost | None:
    return cost_of(asks(step, count=count)[0], HOUR, book(*prices))


def test_time_and_resources_make_the_cost_of_all_instances() -> None:
    step = fit(resources=Resources(cpu=4, memory="10Gi"))
    assert cost(step) == Cost(currency="EUR", p50=0.5, p90=1.0)
    assert cost(step, count=100) == Cost(currency="EUR", p50=50.0, p90=100.0)
    assert cost(fit(resources=Resources(cpu=4, memory="10Gi"), spot=True)) == Cost(currency="EUR", p50=0.26, p90=0.52)


def test_what_stands_later_goes_before_what_stands_earlier() -> None:
    step = fit(resources=Resources(cpu=4, memory="10Gi"))
    own = PriceBook(currency="EUR", price=(Price(what="cpu", per_h=0.0),))
    assert cost_of(asks(step)[0], HOUR, together([book(), own])) == Cost(currency="EUR", p50=0.1, p90=0.2)
    assert together([]) is None and cost_of(asks(step)[0], HOUR, None) is None


def test_one_price_is_that_of_spot_where_there_is_one() -> None:
    asked = [price_of(book(), what, spot=spot) for what in ("cpu", "memory", "disk") for spot in (False, True)]
    assert asked == [0.1, 0.04, 0.01, 0.01, None, None]


@pytest.mark.parametrize(
    ("gpus", "prices", "per_h"),
    [
        ("A100-80GB:2", (Price(what="A100-80GB", per_h=3.0),), 6.0),
        ("A100-80GB:2", (Price(what="nvidia.com/gpu", per_h=2.0),), 4.0),
        ("A100-80GB:1", (Price(what="nvidia.com/gpu", per_h=2.0), Price(what="a100-80gb", per_h=3.0)), 3.0),
        ("A100-80GB-MIG-3g.40gb:1", (Price(what="A100-80GB", per_h=7.0),), 3.0),
        ("A100-80GB-MIG-3g.40gb:1", (Price(what="A100-80GB-MIG-3g.40gb", per_h=4.0),), 4.0),
        ("A100-80GB:1", (Price(what="H100", per_h=9.0),), None),
        ("A100-80GB-MIG-3g.40gb:1", (), None),
    ],
)  # fmt: skip
def test_cards_and_their_slices_have_prices(gpus: str, prices: tuple[Price, ...], per_h: float | None) -> None:
    found = cost(fit(resources=Resources(cpu=1, memory="10Gi", gpus=gpus)), *prices)
    assert found is not None
    if per_h is None:
        assert found.p50 is None and found.lacking == (f"no price of {gpus.partition(':')[0]}",)
    else:
        assert found.p50 == pytest.approx(per_h + 0.2)


def test_what_is_not_known_is_not_nothing() -> None:
    (asked, _) = asks(fit(resources=Resources(cpu=1, memory="1Gi")))
    unknown = cost_of(asked, None, book())
    assert unknown == Cost(currency="EUR", lacking=("nothing of it has run yet",))
    assert total([unknown, cost(fit())]) == unknown and total([None]) is None
    assert total([Cost(currency="EUR", p50=1, p90=2)] * 2) == Cost(currency="EUR", p50=2, p90=4)


def test_a_book_with_faults_names_them() -> None:
    faults = book_faults(
        PriceBook(currency="", price=(Price(what="cpu", per_h=-1, spot_per_h=float("inf"), date="May"),))
    )
    assert [each.path for each in faults] == ["currency", "price[0].per_h", "price[0].spot_per_h", "price[0].date"]


@given(st.lists(st.floats(0, 1e6), max_size=30))
def test_a_spread_is_of_values_that_there_were(values: list[float]) -> None:
    found = spread(values)
    if not values:
        assert found is None
        return
    assert found is not None and found.attempts == len(values)
    assert {found.p50, found.p90} <= set(values) and found.p50 <= found.p90
    for value, share in ((found.p50, 0.5), (found.p90, 0.9)):
        assert sum(each <= value for each in values) >= share * len(values) > sum(each < value for each in values)
