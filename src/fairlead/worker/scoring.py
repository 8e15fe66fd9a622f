"""Which of the values that a trial has logged is its objective."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.errors import FairleadError
from fairlead.specs.steps import SweepStep


def score_of(spec: SweepStep, metrics: Mapping[str, tuple[float, float, float, int]]) -> float:
    """Return the objective of a trial from the summaries of what it logged.

    Raises:
        FairleadError: It did not log it.
    """
    if spec.metric not in metrics:
        logged = ", ".join(metrics) or "nothing"
        raise FairleadError(
            f"a trial of {spec.trial!r} did not log {spec.metric!r}",
            why=f"it logged {logged}",
            next=f"call fairlead.log({spec.metric}=value) in the step",
        )
    last, lowest, highest, _ = metrics[spec.metric]
    return {"last": last, "min": lowest, "max": highest}[spec.best_of]
