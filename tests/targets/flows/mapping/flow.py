"""How graphs branch and fan out: lists of known and unknown length, item by item, conditions, order, nested flows."""

from __future__ import annotations

from fairlead import first_of, flow, step


@step
def files(count: int) -> list[int]:
    """Return a list whose length is known at run time only."""
    return list(range(count))


@step
def square(x: int) -> int:
    """Work on an item."""
    return x * x


@step
def total(xs: list[int]) -> dict[str, float]:
    """Gather the items."""
    return {"sum": float(sum(xs))}


@step
def grow(x: int) -> int:
    """One branch."""
    return x + 1


@step
def shrink(x: int) -> int:
    """The other branch."""
    return x - 1


@step
def finish(x: int) -> int:
    """Bear the name that the workflow's own last pod has."""
    return x


@flow
def known(count: int = 3) -> dict[str, float]:
    """Map over a list that stands in the graph, twice, item by item."""
    return total(square.map(square.map(list(range(count)))))


@flow
def mapping(count: int = 3) -> int:
    """Take one of two branches by a sum that is known at run time only."""
    sizes = known(count)
    found = total(square.map(square.map(files(count))))
    more = grow.options(when=found["sum"] > sizes["sum"])(1)
    less = shrink.options(when=found["sum"] <= sizes["sum"])(1)
    few = shrink.options(name="few", when=found["sum"] < 1).after(sizes)(2)
    return finish(first_of(more, less, few))
