"""A sweep as a run of Ray Tune: its trials are Ray's, one process each, and Ray's scheduler ends those that fare badly.

Optuna proposes what is tried, the same as in a sweep that calls its trials: Ray asks it through a searcher of its own.
Ray's state of the whole is kept as a checkpoint of the step whenever a trial has ended, so that an attempt that begins
where another was killed has them from there, and runs none of them again.

Source: https://docs.ray.io/en/latest/tune/tutorials/tune-fault-tolerance.html
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from fairlead.errors import FairleadError
from fairlead.specs.steps import SweepStep
from fairlead.specs.values import Ref
from fairlead.store.opening import open_backend
from fairlead.store.values import Values
from fairlead.worker import context
from fairlead.worker.ray_losses import is_of_a_lost_node
from fairlead.worker.running import Kept
from fairlead.worker.sampling import distribution_of, grid_of, sampler_of, seed_of
from fairlead.worker.tasks import WorkerTask

try:
    import ray
    from ray import cloudpickle, tune
    from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler
    from ray.tune.search.optuna import OptunaSearch

    from fairlead.worker.ray_trials import AT, VALUE, Plan, run_trial
except ImportError as error:  # shown as the attempt's error
    raise FairleadError(
        "a sweep as a run of Ray Tune needs more than there is to import",
        why=str(error),
        next="pip install 'ray[tune]' 'fairlead[sweeps]', in the step's image or named in packages=[…]",
    ) from error

_STATE, _TUNER = "tune", "tuner.pkl"
"""The folder of Ray's state, and the file in it that says what is tuned."""
_LONGEST = 10**9
"""More than any trial reports: none is ended for its length."""

os.environ |= {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a trial is where any step is
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # what trials log is told here
    "TUNE_GLOBAL_CHECKPOINT_S": "0",  # the state that is kept holds every trial that has ended
}


def tuned(task: WorkerTask, main: str) -> Callable[..., Kept]:
    """Return the function that runs a sweep; its inputs are what every trial shares.

    Args:
        task: The sweep's.
        main: The module that ``__main__`` stands for.
    """
    return Tuning(task, main).run


class Tuning:
    """A sweep under way."""

    def __init__(self, task: WorkerTask, main: str) -> None:
        assert isinstance(task.step, SweepStep)
        self._task = task
        self._spec: SweepStep = task.step
        trial = task.definitions[self._spec.trial].step
        folder = str(Path(task.checkpoints) / "trials")
        self._plan = Plan(self._spec, trial, main, task.run, task.store, task.host, folder)

    def run(self, **shared: Any) -> Kept:
        """Run trials until there are as many as were asked for, and return the best one's value."""
        ray.init(logging_level="warning", include_dashboard=False)
        kept = context.checkpoint()
        with tempfile.TemporaryDirectory(prefix="fairlead-tune-", ignore_cleanup_errors=True) as place:
            latest = kept.latest()
            if latest is None:
                tuner = self._begun(self._trainable(shared), place, kept)
            else:
                shutil.copytree(latest / _STATE, Path(place) / _STATE)
                tuner = tune.Tuner.restore(str(Path(place) / _STATE), self._trainable(shared))
            return self._best(tuner.fit())

    def _trainable(self, shared: dict[str, Any]) -> Any:
        resources = self._plan.trial.resources
        amount: dict[str, float] = {"cpu": resources.cpu_millis / 1000}
        if resources.accelerator is not None:
            amount["gpu"] = resources.accelerator.count
        return tune.with_resources(tune.with_parameters(run_trial, plan=self._plan, shared=shared), amount)

    def _begun(self, trainable: Any, place: str, kept: context.Checkpoints) -> Any:
        spec, seed = self._spec, seed_of(self._spec, self._task.inputs)
        mode = "max" if spec.direction == "maximize" else "min"
        grid = grid_of(spec, seed) if spec.sampler == "grid" else []
        searcher = OptunaSearch(
            {name: distribution_of(each) for name, each in spec.space.items()},
            metric=spec.metric,
            mode=mode,
            sampler=sampler_of(spec, seed),
            points_to_evaluate=[grid[number % len(grid)] for number in range(spec.trials)] if grid else None,
        )
        return tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                metric=spec.metric,
                mode=mode,
                search_alg=searcher,
                scheduler=_scheduler(spec.pruner),
                num_samples=spec.trials,
                max_concurrent_trials=spec.parallel,
            ),
            run_config=tune.RunConfig(
                name=_STATE,
                storage_path=place,
                failure_config=tune.FailureConfig(max_failures=self._plan.trial.retries.user),
                callbacks=[Keeping(spec, kept)],
                verbose=0,
            ),
        )

    def _best(self, results: Any) -> Kept:
        """Return the value, the parameters and the score of the best trial that has come to its end."""
        whole = [each for each in results if each.error is None and VALUE in (each.metrics or {})]
        if not whole:
            reason = next((_reason(each.error) for each in results if each.error is not None), "")
            raise FairleadError(f"no trial of {self._spec.trial!r} succeeded", why=reason)
        pick = max if self._spec.direction == "maximize" else min
        best = pick(whole, key=lambda each: each.metrics[self._spec.metric])
        parameters = {name: best.config[name] for name in self._spec.space}
        values = Values(open_backend(self._task.store), Path(self._task.host))
        value = msgspec.json.decode(best.metrics[VALUE], type=Ref)
        return Kept((value, values.save(parameters), values.save(float(best.metrics[self._spec.metric]))))


class Keeping(tune.Callback):  # type: ignore[misc]  # Ray is there at run time only
    """Tells how each trial ended, and then keeps Ray's state of all of them.

    Args:
        spec: The sweep.
        kept: The folder for the step's checkpoints.
    """

    def __init__(self, spec: SweepStep, kept: context.Checkpoints) -> None:
        self._spec = spec
        self._kept = kept
        self._told: set[str] = set()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """End the sweep where the cluster has lost a node: the state that is kept has the trial as one under way."""
        if trial.pickled_error_file is not None:
            error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
            if is_of_a_lost_node(error):
                raise error

    def on_step_end(self, iteration: int, trials: list[Any], **_: Any) -> None:
        """Look for trials that have ended since; what Ray has written down by now holds them."""
        ended = [each for each in trials if each.is_finished() and each.trial_id not in self._told]
        if not ended:
            return
        storage = trials[0].storage
        done = sum(each.is_finished() for each in trials)
        with self._kept.save(at=done) as unfinished:
            shutil.copytree(storage.experiment_driver_staging_path, unfinished / _STATE)
            shutil.copy(Path(storage.experiment_fs_path) / _TUNER, unfinished / _STATE)
        for earlier in Path(self._kept).iterdir():
            if earlier.name.isdigit() and int(earlier.name) < done:
                shutil.rmtree(earlier, ignore_errors=True)
        for each in ended:
            self._tell(each)

    def _tell(self, trial: Any) -> None:
        self._told.add(trial.trial_id)
        number = int(trial.experiment_tag.partition("_")[0]) - 1  # Ray's own count, which it keeps
        found = trial.last_result or {}
        state = "failed" if trial.status == "ERROR" else "succeeded" if VALUE in found else "pruned"
        score = found.get(self._spec.metric)
        if score is not None and state == "succeeded":
            context.log(at=number, **{self._spec.metric: float(score)})
        parameters = {name: trial.config[name] for name in self._spec.space}
        said = msgspec.json.encode({"trial": number, "state": state, "score": score, "parameters": parameters})
        print(said.decode(), flush=True)


def _scheduler(pruner: str | None) -> TrialScheduler:
    """Return what ends trials early, with the settings that Optuna's pruner of that word has."""
    match pruner:
        case None:
            return FIFOScheduler()
        case "median":
            # A trial that is paused begins anew: where others wait, none would ever come to its end.
            return MedianStoppingRule(time_attr=AT, grace_period=1, min_samples_required=5, min_time_slice=math.inf)
        case "halving":
            return AsyncHyperBandScheduler(time_attr=AT, max_t=_LONGEST, reduction_factor=4, stop_last_trials=False)
        case "hyperband":
            return AsyncHyperBandScheduler(
                time_attr=AT, max_t=_LONGEST, reduction_factor=3, brackets=4, stop_last_trials=False
            )
    raise AssertionError(pruner)


def _reason(error: BaseException) -> str:
    """Return the last line of what Ray says of a trial's error: the user's own."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
