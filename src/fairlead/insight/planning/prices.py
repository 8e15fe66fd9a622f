"""What steps cost by a price book: so much for a core, a GiB of memory and a device in an hour.

Nothing is known of prices here but what a book says: `docs/plan.md` has its form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import msgspec

from fairlead.errors import Fault
from fairlead.insight.planning.amounts import MIG, is_device
from fairlead.insight.planning.asked import Asked, Pods
from fairlead.insight.planning.documents import Cost, Spread
from fairlead.specs.accelerators import accelerator_named

_GI = Decimal(1 << 30)
_UNPRICED = ("ephemeral-storage",)
"""What clouds sell with the node, and is nobody's to pay for alone."""


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What something costs.

    Attributes:
        what: ``cpu`` for a core, ``memory`` for a GiB, an accelerator as ``gpus=`` has it (``A100-80GB``), or the
            extended resource of a device.
        per_h: For an hour.
        spot_per_h: For an hour of a node that may be reclaimed; where it is not said, that costs the same.
        date: Of the list that it stands in: ``2026-11-01``.
        source: Which list that is.
    """

    what: str
    per_h: float
    spot_per_h: float | None = None
    date: str = ""
    source: str = ""


class PriceBook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices. What stands later goes before what stands earlier, for the same thing.

    Attributes:
        currency: Of all of them: ``USD``.
        price: The prices.
    """

    currency: str
    price: tuple[Price, ...]


class _Part(NamedTuple):
    """What a pod has of something that is sold, and its price; None where there is none."""

    what: str
    amount: Decimal
    per_h: Decimal | None


def book_faults(book: PriceBook) -> Iterator[Fault]:
    """Yield what is wrong with a price book, with paths."""
    if not book.currency:
        yield Fault("currency", "must be given, such as USD")
    for number, each in enumerate(book.price):
        for field in ("per_h", "spot_per_h"):
            value = getattr(each, field)
            if value is not None and not 0 <= value < float("inf"):
                yield Fault(f"price[{number}].{field}", f"must be 0 or more, got {value}")
        if each.date:
            try:
                date.fromisoformat(each.date)
            except ValueError:
                yield Fault(f"price[{number}].date", f"must be a day such as 2026-11-01, got {each.date!r}")


def together(books: Iterable[PriceBook]) -> PriceBook | None:
    """Return several books as one, in which the later go before the earlier; None where there is none."""
    listed = list(books)
    if not listed:
        return None
    return PriceBook(currency=listed[-1].currency, price=tuple(each for book in listed for each in book.price))


def price_of(book: PriceBook, what: str, *, spot: bool = False) -> float | None:
    """Return what something costs for an hour; None where the book does not say it."""
    price = {_key(each.what): each for each in book.price}.get(_key(what))
    found = _per_h(price, spot=spot)
    return None if found is None else float(found)


def cost_of(asked: Asked, duration_s: Spread | None, book: PriceBook | None) -> Cost | None:
    """Return what all instances of a step cost; None where there is no book.

    Pods that wait for others, and those of Fairlead's own, count as all others do.
    """
    if book is None:
        return None
    prices = {_key(each.what): each for each in book.price}
    parts = [part for pods in asked.sets for part in _parts(pods, asked, prices)]
    lacking = [f"no price of {each}" for each in dict.fromkeys(part.what for part in parts if part.per_h is None)]
    if duration_s is None:
        lacking.append("nothing of it has run yet")
    if lacking or duration_s is None:
        return Cost(currency=book.currency, lacking=tuple(lacking))
    per_h = sum((part.amount * (part.per_h or Decimal(0)) for part in parts), Decimal(0)) * asked.instances

    def cost(seconds: float) -> float:
        return round(float(per_h) * seconds / 3600, 6)

    return Cost(currency=book.currency, p50=cost(duration_s.p50), p90=cost(duration_s.p90))


def total(costs: Iterable[Cost | None]) -> Cost | None:
    """Return what several steps cost together, where it is known of all."""
    found = [each for each in costs if each is not None]
    if not found:
        return None
    lacking = tuple(dict.fromkeys(why for each in found for why in each.lacking))
    if lacking:
        return Cost(currency=found[0].currency, lacking=lacking)
    return Cost(
        currency=found[0].currency,
        p50=round(sum(each.p50 or 0 for each in found), 6),
        p90=round(sum(each.p90 or 0 for each in found), 6),
    )


def _key(what: str) -> str:
    """Return the one name of something that is sold: accelerators have several."""
    try:
        model, profile = accelerator_named(what)
    except ValueError:
        return what
    return f"{model.name}-MIG-{profile.name}" if profile else model.name


def _parts(pods: Pods, asked: Asked, prices: Mapping[str, Price]) -> Iterator[_Part]:
    """Yield what the pods of a set have of what is sold."""
    for name, value in pods.requests.items():
        if value <= 0 or name in _UNPRICED or name.startswith("hugepages-"):
            continue
        amount = value * pods.count / (_GI if name == "memory" else 1)
        if is_device(name) and asked.device:
            yield _Part(asked.device, amount, _device(asked, name, prices))
        else:
            yield _Part(name, amount, _per_h(prices.get(name), spot=asked.spot))


def _device(asked: Asked, resource: str, prices: Mapping[str, Price]) -> Decimal | None:
    """Return the price of a device: its own, that of its resource, or its share of its card's by compute slices."""
    for key in (asked.device, resource):
        if key in prices:
            return _per_h(prices[key], spot=asked.spot)
    if not resource.startswith(MIG) and "-MIG-" not in asked.device:
        return None
    model, profile = accelerator_named(asked.device)
    card = _per_h(prices.get(model.name), spot=asked.spot)
    if card is None or profile is None:
        return None
    slices = max(each.compute_slices for each in model.mig_profiles)
    return card * profile.compute_slices / slices


def _per_h(price: Price | None, *, spot: bool) -> Decimal | None:
    if price is None:
        return None
    is_spot = spot and price.spot_per_h is not None
    return Decimal(str(price.spot_per_h if is_spot else price.per_h))
