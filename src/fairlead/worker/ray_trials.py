"""A trial of a sweep that Ray Tune runs: the user's function in a process of Ray's, and what it logs told to Tune."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from ray import tune

from fairlead.naming import digest_bytes
from fairlead.specs.steps import Step, SweepStep
from fairlead.store.opening import open_backend
from fairlead.store.values import Values
from fairlead.worker import context
from fairlead.worker.running import find_function
from fairlead.worker.scoring import score_of
from fairlead.worker.seeding import seed_everything
from fairlead.worker.tasks import Logged

AT, VALUE = "fairlead_at", "fairlead_value"
"""What a trial reports beside its objective: where on the axis that is, and at its end which value it returned."""


class Plan(NamedTuple):
    """What a process of Ray is told of the trials that it runs.

    Attributes:
        sweep: The sweep.
        trial: The definition that each of them runs.
        main: The module that ``__main__`` stands for.
        run: The run's id.
        store: The store's URL.
        host: A folder of its machine for spooled files and marks.
        checkpoints: The folder with a folder for each trial's checkpoints.
    """

    sweep: SweepStep
    trial: Step
    main: str
    run: str
    store: str
    host: str
    checkpoints: str


def run_trial(config: dict[str, Any], *, plan: Plan, shared: dict[str, Any]) -> None:
    """Run a trial: in a process of Ray's, which ends with it."""
    spec, identity = plan.sweep, tune.get_context().get_trial_id()
    folder = Path(plan.checkpoints) / identity
    reported, at = 0, 0.0

    def report(message: Any) -> None:
        nonlocal reported, at
        if isinstance(message, Logged) and spec.metric in message.values:
            reported += 1
            at = float(reported) if message.at is None else message.at
            tune.report({spec.metric: message.values[spec.metric], AT: at})

    point = msgspec.json.encode(config, order="deterministic")
    os.environ.update(plan.trial.environment.variables)
    seed_everything(int(digest_bytes(f"{plan.run}/{spec.name}/trial/".encode(), point)[:8], 16))
    attempt = context.Attempt(0, folder, folder / "metrics", report)
    context.set_current(attempt)
    try:
        function = find_function(plan.trial, lambda name: import_module(plan.main if name == "__main__" else name))
        value = Values(open_backend(plan.store), Path(plan.host)).save(function(**shared, **config))
    finally:
        context.set_current(None)
        attempt.close()
    summaries = {name: (each.last, each.min, each.max, each.count) for name, each in attempt.summaries.items()}
    text = msgspec.json.encode(value).decode()
    tune.report({spec.metric: score_of(spec, summaries), AT: at, VALUE: text})
