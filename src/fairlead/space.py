"""Search spaces of sweeps: ``over={"lr": loguniform(1e-4, 1e-1), "depth": integers(2, 8)}``."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.specs.steps import Dimension


def uniform(low: float, high: float, *, step: float | None = None) -> Dimension:
    """A number between `low` and `high`, both included; in steps of `step` where it is given."""
    return Dimension(type="float", low=low, high=high, step=step)


def loguniform(low: float, high: float) -> Dimension:
    """A number between `low` and `high` whose logarithm is uniform: for learning rates."""
    return Dimension(type="float", low=low, high=high, log=True)


def integers(low: int, high: int, *, step: int | None = None, log: bool = False) -> Dimension:
    """A whole number between `low` and `high`, both included."""
    return Dimension(type="int", low=low, high=high, step=step, log=log)


def choice(options: Sequence[str | int | float | bool | None]) -> Dimension:
    """One of some values."""
    return Dimension(type="categorical", choices=tuple(options))


__all__ = ["choice", "integers", "loguniform", "uniform"]
