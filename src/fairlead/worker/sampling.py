"""What Optuna is told of a sweep, whoever runs its trials: the dimensions, the sampler and its seed, the grid."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Any

import msgspec

from fairlead.errors import FairleadError, MissingExtra
from fairlead.naming import digest_bytes
from fairlead.specs.spaces import listed
from fairlead.specs.steps import Dimension, SweepStep
from fairlead.worker.keys import input_parts
from fairlead.worker.tasks import Input

__all__ = ["distribution_of", "grid_of", "grid_values", "optuna", "sampler_of", "seed_of"]

try:
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
except ImportError as error:  # shown as the attempt's error
    raise MissingExtra("optuna", "sweeps", "a sweep") from error


def seed_of(spec: SweepStep, inputs: Mapping[str, Input]) -> int:
    """Return the seed of a sweep's sampler."""
    if spec.seed is not None:
        return spec.seed
    # The same sweep of the same data tries the same, so that its trials are found in the cache.
    identity = msgspec.json.encode([spec.space, input_parts(inputs)], order="deterministic")
    return int(digest_bytes(identity)[:8], 16)


def distribution_of(dimension: Dimension) -> BaseDistribution:
    """Return a dimension in Optuna's words."""
    low, high = dimension.low, dimension.high
    match dimension.type:
        case "categorical":
            return CategoricalDistribution(dimension.choices)
        case "int":
            assert low is not None and high is not None
            return IntDistribution(int(low), int(high), log=dimension.log, step=int(dimension.step or 1))
        case "float":
            assert low is not None and high is not None
            return FloatDistribution(low, high, log=dimension.log, step=dimension.step)


def sampler_of(spec: SweepStep, seed: int) -> Any:
    """Return the sampler of a sweep."""
    samplers = optuna.samplers
    match spec.sampler:
        case "tpe":
            return samplers.TPESampler(seed=seed, constant_liar=spec.parallel > 1)
        case "random":
            return samplers.RandomSampler(seed=seed)
        case "grid":
            return samplers.RandomSampler(seed=seed)  # never asked: each point of the grid is given, see `grid_of`
        case "cmaes":
            return samplers.CmaEsSampler(seed=seed)
        case "qmc":
            return samplers.QMCSampler(seed=seed)
        case "gp":
            return samplers.GPSampler(seed=seed)
    raise AssertionError(spec.sampler)


def grid_of(spec: SweepStep, seed: int) -> list[dict[str, Any]]:
    """Return the points of the grid in the order they are tried, which a sweep that goes on finds again.

    Optuna's own sampler marks the points it has tried in its study, which is not kept here, and ends a study by a
    call that is allowed within its own loop only.
    """
    axes = [grid_values(name, each) for name, each in spec.space.items()]
    points = [dict(zip(spec.space, point, strict=True)) for point in itertools.product(*axes)]
    random.Random(seed).shuffle(points)
    return points


def grid_values(name: str, dimension: Dimension) -> list[Any]:
    """Return the points of a dimension on a grid.

    Raises:
        FairleadError: The dimension is a range without steps.
    """
    points = listed(dimension)
    if points is None:
        raise FairleadError(
            f"dimension {name!r} has no grid",
            why="a range of floats has no steps",
            next="give choices, or uniform(low, high, step=…)",
        )
    return points
