"""The suite that every engine must pass.

Subclass it in a test module and give it a ``launch`` fixture::

    class TestMine(EngineContract):
        @pytest.fixture
        def launch(self, tmp_path, monkeypatch):
            return MyLaunch(...)

What `Launch` does is to be done the way users do it: by the command line, or by what that calls. The suite holds
what is true wherever a run is executed. Nothing is said of speed, of what becomes of a run when the driver is
killed, or of what an engine does with processes: that is each engine's own.
"""

from __future__ import annotations

import json
import random
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import pytest

from fairlead.engines.differences import Difference
from fairlead.naming import parse_time
from fairlead.runs.handles import Run
from fairlead.runs.logs import Log
from fairlead.specs.reports import AttemptReport, RunReport, StepReport
from fairlead.specs.resources import Resources
from fairlead.specs.runtimes import Standing, Torch
from fairlead.specs.steps import ContainerStep, Environment, FunctionStep, Retries
from fairlead.store.layout import Task
from fairlead.store.opened import Store


class Ended(NamedTuple):
    """A run that has ended: the document that ``-o json`` prints, and the exit code."""

    report: RunReport
    exit_code: int


class Launch(Protocol):
    """How the suite uses an engine.

    Attributes:
        store: The store that runs are recorded in. It may hold others.
    """

    store: Store

    def __call__(self, file: Path, flow: str, parameters: Mapping[str, Any], *, use_cache: bool = False) -> Ended:
        """Run a flow of a file to its end."""

    def begin(self, file: Path, flow: str, parameters: Mapping[str, Any], *, until: str) -> str:
        """Start a run, and return its id when the step `until` runs."""

    def cancel(self, run: str) -> Ended:
        """Cancel a run that was begun, and return how it ended, with the exit code of what drove it."""

    def resume(self, run: str) -> Ended:
        """Go on with a run to its end."""


class EngineContract:
    """What an engine promises, as tests."""

    clock_skew_s: ClassVar[float] = 0.0
    """By how much the clocks of steps may differ, in seconds: more than nothing where they run on several machines."""

    differences: ClassVar[Sequence[Difference]] = ()
    """What this engine runs steps without; `fairlead.engines.differences` has those of the built-in ones."""

    elsewhere: ClassVar[Mapping[str, str]] = {}
    """Options of a step that are honoured, but shown by a place and not by what a step returns: what tests each."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """Return the file with the flows, where a user's file would lie."""
        from fairlead.testing import flows

        copy = tmp_path / "project" / "contract_flows.py"
        copy.parent.mkdir()
        shutil.copyfile(flows.__file__, copy)
        return copy

    # Options

    def test_every_option_of_a_step_is_held_or_declared(self) -> None:
        """By a test of this suite or of the engine's own, or as a difference; and nothing is declared that is none."""
        declared = {each.field for each in self.differences}
        assert declared | HELD.keys() | self.elsewhere.keys() == set(options_of_steps())
        assert all(hasattr(EngineContract, name) for name in HELD.values())

    # Values

    def test_values_of_any_type_come_through_steps(self, launch: Launch, file: Path) -> None:
        """Each value comes out as it went in, and of the same type."""
        ended = _succeeded(launch(file, "values", {}))
        *plain, point, numbers, pair, large = _result(launch, ended)
        assert plain == [3, 2.5, "naïve ☃", True, None, b"\x00\xff", [1, [2]], {"a": {"b": [1]}}]
        assert (type(point).__name__, point.x, point.y) == ("Point", 1, 0.5)
        assert (numbers, pair, large) == ({1, 2}, (1, 2), 2**70)
        assert [type(each) for each in (numbers, pair, large)] == [set, tuple, int]

    def test_several_outputs_are_values_of_their_own(self, launch: Launch, file: Path) -> None:
        """Outputs and parts of values can be used apart."""
        ended = _succeeded(launch(file, "several_outputs", {"a": 17, "b": 5}))
        assert _result(launch, ended) == {"sum": 5, "part": 42, "remainder": 2}
        assert len(_step(ended, "divide").artifacts) == 2

    def test_parameters_stand_in_the_document(self, launch: Launch, file: Path) -> None:
        """Given ones and defaults alike."""
        ended = _succeeded(launch(file, "several_outputs", {"a": 20}))
        assert ended.report.params == {"a": 20, "b": 5}

    def test_calls_of_one_step_are_counted(self, launch: Launch, file: Path) -> None:
        """A step that is called n times has one name and the indices 0 to n-1."""
        ended = _succeeded(launch(file, "repeated", {"times": 4}))
        assert [(each.name, each.index) for each in ended.report.steps] == [("add", index) for index in range(4)]
        assert [_value(launch, ended, "add", index) for index in range(4)] == [1, 2, 3, 4]

    def test_flows_nest(self, launch: Launch, file: Path) -> None:
        """A flow within a flow is a part of it."""
        ended = _succeeded(launch(file, "nested", {"x": 5}))
        assert _result(launch, ended) == 14
        assert len(ended.report.steps) == 5

    # Maps

    def test_map_gathers_in_the_order_of_items(self, launch: Launch, file: Path) -> None:
        """However long each takes."""
        ended = _succeeded(launch(file, "static_map", {}))
        assert _result(launch, ended) == [10, 11, 12, 13]
        assert [each.index for each in ended.report.steps] == [0, 1, 2, 3]

    @pytest.mark.parametrize("count", [3, 0])
    def test_map_over_a_list_that_a_step_returns(self, launch: Launch, file: Path, count: int) -> None:
        """Its length is known at run time only; an empty list gives no instance, and an empty list."""
        ended = _succeeded(launch(file, "dynamic_map", {"n": count}))
        assert _result(launch, ended) == count * (count + 1) // 2
        assert sum(each.name == "add" for each in ended.report.steps) == count

    def test_map_over_a_map_goes_item_by_item(self, launch: Launch, file: Path) -> None:
        """One that fails blocks its own successor, and what gathers all."""
        ended = _failed(launch(file, "item_by_item", {"n": 4}))
        assert [_step(ended, "refuse_two", index).status for index in range(4)] == _but("succeeded", "failed")
        assert [_step(ended, "add", index).status for index in range(4)] == _but("succeeded", "blocked")
        assert _step(ended, "total").status == "blocked"

    # Order and conditions

    @pytest.mark.parametrize(("score", "taken"), [(0.95, "good"), (0.2, "bad")])
    def test_conditions_choose_branches(self, launch: Launch, file: Path, score: float, taken: str) -> None:
        """A false condition skips a step and what depends on it; first_of takes what was not skipped."""
        ended = _succeeded(launch(file, "branches", {"score": score}))
        left = {"good": "bad", "bad": "good"}[taken]
        statuses = {each.name: each.status for each in ended.report.steps}
        assert (statuses[taken], statuses[left], statuses["joined"]) == ("succeeded", "skipped", "succeeded")
        skipped = ("after-bad", "both") if taken == "good" else ("both", "after-bad")
        assert [statuses[name] for name in skipped] == ["skipped", "succeeded"]
        assert _result(launch, ended) == {"joined": taken, "others": "both" if taken == "good" else "bad"}
        assert not _step(ended, left).attempts

    def test_after_orders_without_data(self, launch: Launch, file: Path) -> None:
        """A step begins when what it comes after has succeeded, and is blocked where that failed."""
        ended = _failed(launch(file, "ordered", {}))
        before, behind = (_only_attempt(ended, name) for name in ("before", "behind"))
        assert _time(behind.started) >= _time(before.finished) - self.clock_skew_s
        assert _step(ended, "blocked").status == "blocked"

    def test_a_failed_step_blocks_what_depends_on_it_only(self, launch: Launch, file: Path) -> None:
        """The rest is finished, and what is blocked says by what."""
        ended = _failed(launch(file, "blocked", {}))
        statuses = {each.name: each.status for each in ended.report.steps}
        assert statuses.pop("fail") == "failed"
        assert (statuses.pop("behind"), statuses.pop("further")) == ("blocked", "blocked")
        assert set(statuses.values()) == {"succeeded"}
        assert "fail" in (_step(ended, "behind").reason or "")
        assert not _step(ended, "behind").attempts

    # What a step finds around it

    def test_options_change_a_copy(self, launch: Launch, file: Path) -> None:
        """Of a step as it is called; the step itself stays as it was."""
        first, second = _result(launch, _succeeded(launch(file, "options", {})))
        assert (first["GREETING"], second["GREETING"]) == ("hello", "HELLO")

    def test_the_environment_names_the_attempt(self, launch: Launch, file: Path) -> None:
        """By the run, step, index, attempt and seed."""
        ended = _succeeded(launch(file, "options", {}))
        first, second = _result(launch, ended)
        seeds = {int(each.pop("FAIRLEAD_SEED")) for each in (first, second)}
        assert len(seeds) == 2
        for found, name in ((first, "surroundings"), (second, "louder")):
            wanted = {"RUN": ended.report.run, "STEP": name, "INDEX": "0", "ATTEMPT": "1"}
            assert {key: found[f"FAIRLEAD_{key}"] for key in wanted} == wanted

    def test_random_states_follow_from_the_attempt(self, launch: Launch, file: Path) -> None:
        """Each attempt of each instance has a seed of its own, by which both global states are set."""
        ended = _succeeded(launch(file, "seeds", {}))
        drawn = _result(launch, ended)
        assert len({each["seed"] for each in drawn}) == len({each["random"] for each in drawn}) == 3
        for each in drawn:
            assert each["random"] == random.Random(each["seed"]).random()
            if "numpy" in each:
                assert each["numpy"] == _numpy_draw(each["seed"])
        assert len(_step(ended, "draw", 0).attempts) == 2

    # How attempts end

    def test_every_end_is_reported_as_what_it_was(self, launch: Launch, file: Path) -> None:
        """A signal by its number, an exit by its code, an exception by its frames; and harms nothing else."""
        ended = _failed(launch(file, "ends", {}))
        found = {name: _only_attempt(ended, "end", index) for index, name in enumerate(_ENDS)}
        ways = {name: (each.status, each.signal, each.exit_code) for name, each in found.items()}
        assert ways == {
            "segfault": ("failed", 11, None),
            "kill": ("failed", 9, None),
            "os._exit": ("failed", None, 3),
            "sys.exit": ("failed", None, 4),
            "raise": ("failed", None, 1),
            "well": ("succeeded", None, 0),
        }
        assert [_step(ended, "behind", index).status for index in range(6)] == ["blocked"] * 5 + ["succeeded"]
        for name in ("segfault", "kill", "os._exit"):
            error = found[name].error
            assert error is not None and f"about to end by {name}" in error.traceback

    def test_an_exception_is_reported_with_the_users_frames(self, launch: Launch, file: Path) -> None:
        """Type, message, the user's frames alone, the line, and Python's traceback; the log has it too."""
        ended = _failed(launch(file, "ends", {}))
        error = _only_attempt(ended, "end", _ENDS.index("raise")).error
        assert error is not None
        assert error.type == "LookupError"
        assert error.message.splitlines()[0] == "raise was asked for"
        assert [frame.rpartition(" in ")[2] for frame in error.frames] == ["end", "_deeper"]
        assert all("contract_flows.py:" in frame for frame in error.frames)
        assert error.line.startswith("raise LookupError(")
        assert "Traceback (most recent call last)" in error.traceback
        assert b"LookupError: raise was asked for" in _log(launch, ended, "end", _ENDS.index("raise"))

    def test_results_are_checked_against_annotations(self, launch: Launch, file: Path) -> None:
        """A value of another type, and one that nothing can hold, fail the step that returned them."""
        ended = _failed(launch(file, "wrong_results", {}))
        wrong, unfit = (_only_attempt(ended, name).error for name in ("wrong", "unfit"))
        assert wrong is not None and "int" in wrong.message and "str" in wrong.message
        assert unfit is not None and "unfit" in unfit.message + unfit.traceback

    def test_retries_are_made_where_they_were_asked_for(self, launch: Launch, file: Path) -> None:
        """With a pause between, an attempt and a log each; a step that did not ask for any is tried once."""
        ended = _failed(launch(file, "retried", {"good": 3}))
        flaky = _step(ended, "flaky")
        assert [(each.number, each.status) for each in flaky.attempts] == [
            (1, "failed"),
            (2, "failed"),
            (3, "succeeded"),
        ]
        assert (flaky.status, _value(launch, ended, "flaky")) == ("succeeded", 3)
        for former, later in pairwise(flaky.attempts):
            assert _time(later.started) - _time(former.finished) >= 0.3 - self.clock_skew_s
        assert len(_step(ended, "fail").attempts) == 1
        for number in (1, 2, 3):
            assert _log(launch, ended, "flaky", number=number).startswith(f"attempt {number}\n".encode())

    def test_retries_end_with_their_budget(self, launch: Launch, file: Path) -> None:
        """Two retries are three attempts."""
        ended = _failed(launch(file, "retried", {"good": 9}))
        assert [each.status for each in _step(ended, "flaky").attempts] == ["failed"] * 3

    def test_a_timeout_ends_an_attempt(self, launch: Launch, file: Path) -> None:
        """It fails, and says so."""
        ended = _failed(launch(file, "timed_out", {}))
        attempt = _only_attempt(ended, "too_slow")
        assert attempt.status == "failed"
        assert attempt.error is not None and attempt.error.type == "Timeout" and "1s" in attempt.error.message
        assert _step(ended, "add").status == "succeeded"

    # Cancel and resume

    def test_cancel_and_resume(self, launch: Launch, file: Path) -> None:
        """Cancelled is what had not ended; what had succeeded stays, and is not executed again."""
        run = launch.begin(file, "stopped", {"x": 1}, until="stuck")
        ended = launch.cancel(run)
        assert (ended.report.status, ended.exit_code) == ("cancelled", 130)
        statuses = {each.name: each.status for each in ended.report.steps}
        assert statuses == {"first": "succeeded", "stuck": "cancelled", "last": "cancelled"}
        resumed = _succeeded(launch.resume(run))
        assert resumed.report.run == run
        assert _step(resumed, "first").attempts == _step(ended, "first").attempts
        assert [each.status for each in _step(resumed, "stuck").attempts] == ["cancelled", "succeeded"]
        assert _result(launch, resumed) == 5

    def test_resume_executes_no_completed_step_again(self, launch: Launch, file: Path) -> None:
        """What failed or was blocked is; attempts are counted on."""
        ended = _failed(launch(file, "resumable", {"n": 3}))
        resumed = _succeeded(launch.resume(ended.report.run))
        for name, count in (("count_to", 1), ("add", 3)):
            for index in range(count):
                assert _step(resumed, name, index).attempts == _step(ended, name, index).attempts
        for index in range(3):
            assert [each.status for each in _step(resumed, "fail_first", index).attempts] == ["failed", "succeeded"]
        assert _result(launch, resumed) == 6

    def test_resume_of_a_run_that_succeeded_does_nothing(self, launch: Launch, file: Path) -> None:
        """It says how it ended."""
        ended = _succeeded(launch(file, "dynamic_map", {"n": 2}))
        resumed = _succeeded(launch.resume(ended.report.run))
        assert resumed.report.steps == ended.report.steps

    # Dynamic flows

    def test_a_dynamic_flow_loops_and_maps(self, launch: Launch, file: Path) -> None:
        """Its body has values; each call is a step of the run."""
        ended = _succeeded(launch(file, "loop", {"goal": 20}))
        assert _result(launch, ended) == 33 + 34
        assert [_value(launch, ended, "add", index) for index in range(7)] == [2, 4, 8, 16, 32, 33, 34]

    def test_a_dynamic_flow_is_a_step_of_another(self, launch: Launch, file: Path) -> None:
        """It takes and returns values as a step does."""
        ended = _succeeded(launch(file, "outer", {"x": 1}))
        assert _result(launch, ended) == 3 + 4 + 1

    def test_a_dynamic_flow_may_catch_what_failed(self, launch: Launch, file: Path) -> None:
        """And the run has succeeded, since its flow has."""
        ended = _succeeded(launch(file, "forgiving", {}))
        assert _result(launch, ended).startswith("caught: ")
        assert _step(ended, "fail").status == "failed"

    def test_a_dynamic_flow_is_replayed(self, launch: Launch, file: Path) -> None:
        """What it had called is answered from the records when it runs again."""
        ended = _failed(launch(file, "replayed", {"x": 1}))
        resumed = _succeeded(launch.resume(ended.report.run))
        assert _result(launch, resumed) == 3 + 3 + 2
        for index in range(3):
            assert _step(resumed, "add", index).attempts == _step(ended, "add", index).attempts

    # Sweeps

    def test_a_sweep_returns_the_best_trial(self, launch: Launch, file: Path) -> None:
        """Its value, parameters and score; each trial is a step of the run, with its metrics."""
        pytest.importorskip("optuna")
        ended = _succeeded(launch(file, "swept", {}))
        assert _result(launch, ended) == {"value": {"x": 3}, "parameters": {"x": 3}, "score": 0.0}
        trials = [each for each in ended.report.steps if each.name == "trial"]
        assert sorted(each.index for each in trials) == [0, 1, 2, 3]
        assert sorted(each.metrics["score"] or 0.0 for each in trials) == [-4.0, -1.0, -1.0, 0.0]

    def test_a_sweep_survives_trials_that_fail(self, launch: Launch, file: Path) -> None:
        """The best of the others counts."""
        pytest.importorskip("optuna")
        ended = _succeeded(launch(file, "swept", {"worst": 3}))
        assert _result(launch, ended)["score"] == -1.0
        statuses = sorted(each.status for each in ended.report.steps if each.name == "trial")
        assert statuses == ["failed", "succeeded", "succeeded", "succeeded"]

    def test_a_sweep_without_any_trial_that_succeeds_fails(self, launch: Launch, file: Path) -> None:
        """And says why the trials did."""
        pytest.importorskip("optuna")
        ended = _failed(launch(file, "failing_sweep", {}))
        error = _only_attempt(ended, "sweep-trial").error
        assert error is not None and "1 is not possible" in error.message + error.traceback

    # Gangs

    def test_ranks_have_the_environment_of_torchrun(self, launch: Launch, file: Path) -> None:
        """Each has its place; what rank 0 returns is the value; each has a log of its own."""
        ended = _succeeded(launch(file, "gang", {}))
        assert _result(launch, ended) == "from rank 0"
        found = [json.loads(_log(launch, ended, "ranks", rank=rank)) for rank in range(4)]
        assert [each["RANK"] for each in found] == ["0", "1", "2", "3"]
        assert [each["LOCAL_RANK"] for each in found] == ["0", "1", "0", "1"]
        assert [each["NODE_RANK"] for each in found] == ["0", "0", "1", "1"]
        assert {(each["WORLD_SIZE"], each["LOCAL_WORLD_SIZE"]) for each in found} == {("4", "2")}
        assert len({(each["MASTER_ADDR"], each["MASTER_PORT"]) for each in found}) == 1
        assert len({each["FAIRLEAD_SEED"] for each in found}) == 4

    def test_every_runtime_of_ranks_has_its_environment(self, launch: Launch, file: Path) -> None:
        """Torchrun's, and what the runtime's own libraries read beside it."""
        ended = _succeeded(launch(file, "kinds", {}))
        found = {
            kind: [json.loads(_log(launch, ended, kind, rank=rank)) for rank in (0, 1)]
            for kind in ("torch", "jax", "tensorflow", "mpi", "xgboost")
        }
        for both in found.values():
            places = [(each["RANK"], each["WORLD_SIZE"], each["LOCAL_RANK"], each["NODE_RANK"]) for each in both]
            assert places == [("0", "2", "0", "0"), ("1", "2", "0", "1")]
            assert all(each["MASTER_ADDR"] and int(each["MASTER_PORT"]) for each in both)
        assert [each["OMPI_COMM_WORLD_RANK"] for each in found["mpi"]] == ["0", "1"]
        assert [each["OMPI_COMM_WORLD_SIZE"] for each in found["mpi"]] == ["2", "2"]
        assert [each["DMLC_TASK_ID"] for each in found["xgboost"]] == ["0", "1"]
        assert {each["DMLC_NUM_WORKER"] for each in found["xgboost"]} == {"2"}
        for each in found["xgboost"]:
            assert (each["DMLC_TRACKER_URI"], each["DMLC_TRACKER_PORT"]) == (each["MASTER_ADDR"], each["MASTER_PORT"])
        settings = [json.loads(each["TF_CONFIG"]) for each in found["tensorflow"]]
        assert [each["task"] for each in settings] == [{"type": "worker", "index": index} for index in (0, 1)]
        workers = settings[0]["cluster"]["worker"]
        assert settings[1]["cluster"]["worker"] == workers
        assert len(set(workers)) == 2 and all(":" in worker for worker in workers)

    def test_a_gang_stops_as_one(self, launch: Launch, file: Path) -> None:
        """One rank dies: the others are stopped, one attempt is spent, and the report names the rank."""
        ended = _succeeded(launch(file, "broken", {}))
        first, second = _step(ended, "broken_gang").attempts
        assert (first.status, first.exit_code, first.rank) == ("failed", 3, 1)
        assert (second.status, second.rank) == ("succeeded", None)
        for number in (1, 2):
            for rank in (0, 1):
                said = _log(launch, ended, "broken_gang", number=number, rank=rank)
                assert said.startswith(f"rank {rank} of attempt {number}\n".encode())

    # What steps tell

    def test_logs_are_complete_and_in_order(self, launch: Launch, file: Path) -> None:
        """Both streams in one, any bytes, and what child processes write."""
        ended = _succeeded(launch(file, "talkative", {"lines": 2000}))
        said = [f"line {number}\n".encode() for number in range(2000)]
        assert _log(launch, ended, "talk") == b"".join([*said, b"\xff\xfe\x00 no text\n", b"from a child process\n"])

    def test_metrics_are_kept_with_the_attempt(self, launch: Launch, file: Path) -> None:
        """The last value of each name is the step's."""
        ended = _succeeded(launch(file, "metrics", {"epochs": 4}))
        assert _step(ended, "measured").metrics == pytest.approx({"loss": 0.25, "accuracy": 0.3})

    def test_a_checkpoint_is_handed_on_to_the_next_attempt(self, launch: Launch, file: Path) -> None:
        """The newest complete one; a half one is none."""
        ended = _succeeded(launch(file, "checkpoints", {}))
        assert [each.exit_code for each in _step(ended, "continued").attempts] == [1, 0]
        assert _result(launch, ended) == "weights of 10"

    # The cache

    def test_equal_steps_are_found_in_the_cache(self, launch: Launch, file: Path) -> None:
        """In a later run, with value and metrics; a step without a cache, or with other inputs, is executed."""
        token = uuid.uuid4().hex
        first = _succeeded(launch(file, "cached", {"token": token, "amount": 1}, use_cache=True))
        assert not any(each.cached for each in first.report.steps)
        again = _succeeded(launch(file, "cached", {"token": token, "amount": 1}, use_cache=True))
        assert {each.name: each.cached for each in again.report.steps} == {
            "fickle": False,
            "costly": True,
            "behind": True,
        }
        assert not _step(again, "costly").attempts
        assert _step(again, "costly").metrics == {"amount": 1.0}
        assert _result(launch, again) == _result(launch, first) == f"{token} 1"
        other = _succeeded(launch(file, "cached", {"token": token, "amount": 2}, use_cache=True))
        assert not any(each.cached for each in other.report.steps)

    def test_a_run_may_leave_the_cache_alone(self, launch: Launch, file: Path) -> None:
        """Then every step is executed."""
        token = uuid.uuid4().hex
        _succeeded(launch(file, "cached", {"token": token}, use_cache=True))
        again = _succeeded(launch(file, "cached", {"token": token}, use_cache=False))
        assert not any(each.cached for each in again.report.steps)

    # Times

    def test_times_are_in_order(self, launch: Launch, file: Path) -> None:
        """A run begins before its attempts, and ends after them; all in UTC."""
        ended = _succeeded(launch(file, "repeated", {"times": 2}))
        first, second = (_only_attempt(ended, "add", index) for index in (0, 1))
        texts = [
            ended.report.started,
            first.started,
            first.finished,
            second.started,
            second.finished,
            ended.report.finished,
        ]
        assert all(text is not None and parse_time(text).utcoffset() is not None for text in texts)
        times = [_time(text) for text in texts]
        assert all(earlier <= later + self.clock_skew_s for earlier, later in pairwise(times))


HELD = {
    "cache": "test_equal_steps_are_found_in_the_cache",
    "environment.variables": "test_options_change_a_copy",
    "retries.backoff": "test_retries_are_made_where_they_were_asked_for",
    "retries.user": "test_retries_end_with_their_budget",
    "runtime.nodes": "test_every_runtime_of_ranks_has_its_environment",
    "runtime.processes_per_node": "test_ranks_have_the_environment_of_torchrun",
    "timeout": "test_a_timeout_ends_an_attempt",
}
"""The options of a step that the suite itself holds, and by which test."""

_PARTS: dict[str, tuple[Any, ...]] = {
    "environment": (Environment,), "resources": (Resources,), "retries": (Retries,), "runtime": (Torch, Standing),
}  # fmt: skip
_DEFINING = ("name", "parameters", "outputs", "function", "framework")


def options_of_steps() -> Iterator[str]:
    """Yield every option of a step, as a path below it."""
    for name in dict.fromkeys((*FunctionStep.__struct_fields__, *ContainerStep.__struct_fields__)):
        if name in _PARTS:
            fields = (field for part in _PARTS[name] for field in part.__struct_fields__)
            yield from (f"{name}.{field}" for field in fields if field not in _DEFINING)
        elif name not in _DEFINING:
            yield name


_ENDS = ("segfault", "kill", "os._exit", "sys.exit", "raise", "well")


def _succeeded(ended: Ended) -> Ended:
    assert (ended.report.status, ended.exit_code) == ("succeeded", 0), _words(ended.report)
    return ended


def _failed(ended: Ended) -> Ended:
    assert (ended.report.status, ended.exit_code) == ("failed", 1), _words(ended.report)
    return ended


def _words(report: RunReport) -> str:
    """Say of each step what became of it, and why."""
    lines = [f"run {report.status}: {report.reason}"]
    for each in report.steps:
        errors = [attempt.error.traceback or attempt.error.message for attempt in each.attempts if attempt.error]
        lines.append(f"{each.name}/{each.index} {each.status} {each.reason or ''} {''.join(errors[-1:])}")
    return "\n".join(lines)


def _step(ended: Ended, name: str, index: int = 0) -> StepReport:
    return next(each for each in ended.report.steps if (each.name, each.index) == (name, index))


def _only_attempt(ended: Ended, name: str, index: int = 0) -> AttemptReport:
    (attempt,) = _step(ended, name, index).attempts
    return attempt


def _value(launch: Launch, ended: Ended, name: str, index: int = 0) -> Any:
    return Run(launch.store, ended.report.run, ended.report).value(name, index)


def _result(launch: Launch, ended: Ended) -> Any:
    return Run(launch.store, ended.report.run, ended.report).result()


def _log(launch: Launch, ended: Ended, step: str, index: int = 0, *, number: int = 1, rank: int | None = None) -> bytes:
    log = Log(launch.store, ended.report.run, Task(step, index, number, rank))
    return log.read(0, log.size())


def _but(usual: str, other: str) -> list[str]:
    return [usual, usual, other, usual]


def _time(text: str | None) -> float:
    assert text is not None
    return parse_time(text).timestamp()


def _numpy_draw(seed: int) -> float:
    numpy = pytest.importorskip("numpy")
    return float(numpy.random.RandomState(seed).random_sample())
