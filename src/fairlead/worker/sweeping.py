"""The driver of a sweep: asks Optuna for parameters, calls the trial's step, and tells how it went.

The study lives in this process only. A sweep that goes on after it died rebuilds it from the trials' records.
Source: Optuna's ask-and-tell interface, https://optuna.readthedocs.io/en/stable/tutorial/20_recipes/009_ask_and_tell.html
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairlead.errors import FairleadError
from fairlead.naming import digest_bytes
from fairlead.specs.steps import SweepStep
from fairlead.specs.values import Ref
from fairlead.store.opening import open_backend
from fairlead.store.values import Values
from fairlead.worker.channel import Talk
from fairlead.worker.running import Kept
from fairlead.worker.sampling import distribution_of, grid_of, optuna, sampler_of, seed_of
from fairlead.worker.scoring import score_of
from fairlead.worker.tasks import Answer, Call, Followed, Given, Input, Stop, WorkerTask


def swept(task: WorkerTask, connection: Talk) -> Callable[..., Kept]:
    """Return the function that runs a sweep; its inputs are not loaded but handed on to the trials."""
    sweep = Sweeping(task, connection)

    def run(**_: Any) -> Kept:
        return sweep.run()

    return run


class Sweeping:
    """A sweep under way."""

    def __init__(self, task: WorkerTask, connection: Talk) -> None:
        assert isinstance(task.step, SweepStep)
        self._task = task
        self._spec: SweepStep = task.step
        self._connection = connection
        self._seed = seed_of(self._spec, task.inputs)
        self._space = {name: distribution_of(each) for name, each in self._spec.space.items()}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            direction=self._spec.direction, sampler=self._sampler(), pruner=_pruner(self._spec)
        )
        self._running: dict[int, optuna.Trial] = {}
        self._outputs: dict[int, Ref] = {}
        self._reasons: list[str] = []
        self._made = 0
        self._grid = grid_of(self._spec, self._seed) if self._spec.sampler == "grid" else []

    def run(self) -> Kept:
        """Run trials until there are as many as were asked for, and return the best one's value."""
        self._rebuild()
        while self._made < self._spec.trials or self._running:
            while self._made < self._spec.trials and len(self._running) < self._spec.parallel:
                self._start()
            self._take(self._connection.receive())
        return self._best()

    def _rebuild(self) -> None:
        """Enter the trials of an earlier attempt; those that have not ended are called again as they were."""
        for past in self._task.past:
            values = {name: _value(past.inputs[name]) for name in self._space}
            self._made = max(self._made, past.position + 1)
            if past.status not in ("succeeded", "failed", "cancelled"):
                self._study.enqueue_trial(values)
                self._call(past.position, self._study.ask(self._space))
                continue
            score = score_of(self._spec, past.metrics) if past.status == "succeeded" else None
            state = {
                "succeeded": optuna.trial.TrialState.COMPLETE,
                "failed": optuna.trial.TrialState.FAIL,
                "cancelled": optuna.trial.TrialState.FAIL,
            }[past.status]
            trial = optuna.trial.create_trial(params=values, distributions=self._space, value=score, state=state)
            self._study.add_trial(trial)
            if score is not None:
                self._outputs[len(self._study.trials) - 1] = past.outputs[0]

    def _start(self) -> None:
        position = self._made
        self._made += 1
        if self._grid:
            self._study.enqueue_trial(self._grid[position % len(self._grid)])
        self._call(position, self._study.ask(self._space))

    def _call(self, position: int, trial: optuna.Trial) -> None:
        definition = self._task.definitions[self._spec.trial]
        inputs: dict[str, Input] = {**self._task.inputs, **{name: Given(trial.params[name]) for name in self._space}}
        self._running[position] = trial
        parent = f"{self._task.step.name}.{self._task.index}"
        self._connection.send(
            Call(
                id=self._task.id,
                position=position,
                identity=digest_bytes(f"{parent}/trial/{position}".encode()),
                step=definition.step,
                inputs=inputs,
                source=definition.source,
                follow=self._spec.pruner is not None,
            )
        )

    def _take(self, message: Any) -> None:
        match message:
            case None:
                raise FairleadError("the driver of the run is gone")
            case Followed(position=position, values=values, at=at) if position in self._running:
                self._report(position, values, at)
            case Answer(position=position) if position in self._running:
                self._tell(self._running.pop(position), message)

    def _report(self, position: int, values: dict[str, float], at: float | None) -> None:
        trial = self._running[position]
        if self._spec.metric not in values:
            return
        step = int(at) if at is not None else len(self._study._storage.get_trial(trial._trial_id).intermediate_values)
        trial.report(values[self._spec.metric], step)
        if trial.should_prune():
            trial.set_user_attr("pruned", True)
            self._connection.send(Stop(id=self._task.id, position=position))

    def _tell(self, trial: optuna.Trial, answer: Answer) -> None:
        if answer.status == "succeeded":
            self._study.tell(trial, score_of(self._spec, answer.metrics))
            self._outputs[trial.number] = answer.outputs[0]
            return
        pruned = trial.user_attrs.get("pruned") and answer.status == "cancelled"
        self._study.tell(trial, state=optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.FAIL)
        self._reasons.append(answer.reason)

    def _best(self) -> Kept:
        scores = {trial.number: trial.value for trial in self._study.trials if trial.number in self._outputs}
        complete = {number: score for number, score in scores.items() if score is not None}
        if not complete:
            reason = next(filter(None, self._reasons), "")
            raise FairleadError(f"no trial of {self._spec.trial!r} succeeded", why=reason)
        pick = max if self._spec.direction == "maximize" else min
        best = pick(complete, key=lambda number: complete[number])
        parameters = dict(self._study.trials[best].params)
        values = Values(open_backend(self._task.store), Path(self._task.host))
        return Kept((self._outputs[best], values.save(parameters), values.save(complete[best])))

    def _sampler(self) -> Any:
        # One that goes on would propose again what it proposed at first.
        return sampler_of(self._spec, self._seed + len(self._task.past))


def _value(given: Input) -> Any:
    assert isinstance(given, Given)
    return given.value


def _pruner(spec: SweepStep) -> Any:
    pruners = optuna.pruners
    match spec.pruner:
        case None:
            return pruners.NopPruner()
        case "median":
            return pruners.MedianPruner()
        case "halving":
            return pruners.SuccessiveHalvingPruner()
        case "hyperband":
            return pruners.HyperbandPruner()
        case "percentile":
            return pruners.PercentilePruner(25.0)
    raise AssertionError(spec.pruner)
