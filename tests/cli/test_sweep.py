"""``fairlead sweep``, and sweeps of a file that are run by their name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead import space
from fairlead.cli.main import call
from fairlead.errors import UsageError
from fairlead.runs.results import flow_result
from fairlead.runs.sweeping import read_dimension
from fairlead.specs.steps import Dimension
from fairlead.store.opened import Store

FLOW = """
import fairlead
from fairlead import flow, step, sweep
from fairlead.space import integers

@step
def fit(x: float, power: int, offset: float = 0.5) -> float:
    fairlead.log(score=-((x - 1) ** power) - offset)
    return x

search = sweep(fit, over={"x": [0.0, 1.0, 2.0], "power": integers(2, 4, step=2)}, trials=6, maximize="score", sampler="grid")
named = sweep(fit, over={"x": [1.0]}, trials=1, minimize="score", name="other")

@flow
def plain() -> float:
    return fit(1.0, 2)
"""


class Launched:
    def __init__(self, home: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.file, self.store, self._capsys = file, Store(str(home), home / "host"), capsys

    def __call__(self, *words: str) -> dict[str, Any]:
        assert call([*words, "--quiet", "-o", "json"]) == 0, self._capsys.readouterr()
        found: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return found

    def result(self, report: dict[str, Any]) -> Any:
        return flow_result(self.store, report["run"])

    def refused(self, *words: str) -> str:
        assert call([*words]) == 2
        return self._capsys.readouterr().err


@pytest.fixture
def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Launched:
    home = tmp_path / "home"
    monkeypatch.setenv("FAIRLEAD_HOME", str(home))
    monkeypatch.delenv("FAIRLEAD_CONTEXT", raising=False)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "flow.py").write_text(FLOW)
    return Launched(home, tmp_path / "flow.py", capsys)


@pytest.mark.parametrize("verb", ["run", "sweep"])
def test_a_sweep_of_a_file_runs_by_its_name_with_what_trials_share(verb: str, launched: Launched) -> None:
    pytest.importorskip("optuna")
    report = launched(verb, f"{launched.file}:search", "--offset", "2")
    result = launched.result(report)
    assert (result["value"], result["parameters"]["x"], result["score"]) == (1.0, 1.0, -2.0)
    assert sorted(each["name"] for each in report["steps"]) == ["fit"] * 6 + ["sweep-fit"]
    assert call(["resume", report["run"]]) == 0
    assert "--target sweep=… is for a new run" in launched.refused("resume", report["run"], "--target", "sweep=driver")


def test_a_sweep_is_found_by_the_name_that_it_gives_itself(launched: Launched) -> None:
    pytest.importorskip("optuna")
    for name in ("other", "named"):
        assert launched("run", f"{launched.file}:{name}", "--power", "2")["flow"] == "other"


def test_a_step_is_swept_over_a_space_of_the_command_line(launched: Launched) -> None:
    pytest.importorskip("optuna")
    report = launched(
        "sweep", f"{launched.file}:fit", "--over", "x=uniform(0, 2, step=0.5)", "--over", "power=[2]", "--trials", "5",
        "--parallel", "2", "--minimize", "score", "--sampler", "grid", "--seed", "1", "--offset", "0",
    )  # fmt: skip
    assert report["flow"] == "sweep-fit"
    assert launched.result(report)["score"] == -1.0
    trials = [each for each in report["steps"] if each["name"] == "fit"]
    assert {each["status"] for each in trials} == {"succeeded"} and len(trials) == 5


def test_the_command_line_stands_in_the_place_of_what_a_file_says(launched: Launched) -> None:
    pytest.importorskip("optuna")
    report = launched("sweep", f"{launched.file}:search", "--trials", "2", "--minimize", "score", "--over", "x=[3.0]")
    assert launched.result(report)["parameters"]["x"] == 3.0
    assert len(report["steps"]) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{}"], "which step of"),
        (["{}:fti", "--maximize", "score"], "has no step or sweep 'fti'; "),
        (["{}:plain", "--maximize", "score"], "has no step or sweep 'plain'"),
        (["{}:fit", "--over", "x=[1.0]"], "give either maximize= or minimize="),
        (["{}:fit", "--maximize", "score"], "space: must have at least one dimension"),
        (["{}:fit", "--maximize", "score", "--over", "z=[1]"], "over.z: step 'fit' has no such parameter"),
        (["{}:fit", "--maximize", "score", "--over", "x=[1.0]"], "needs the parameter 'power'"),
        (["{}:search", "--x", "1"], "has no parameter 'x'"),
        (["{}:fit", "--over", "x=uniform(1)"], "--over x=uniform(1): that is no dimension of a space"),
        (["{}:search", "--detach"], "--detach needs a cluster"),
        (["{}:search", "--target", "sweep=katib"], "no target of sweeps is 'katib'; known: driver, raytune"),
        (["{}:search", "--target", "jobset"], "--target needs a cluster"),
    ],
)  # fmt: skip
def test_what_can_t_be_swept_is_refused(words: list[str], said: str, launched: Launched) -> None:
    err = launched.refused("sweep", *(word.format(launched.file) for word in words))
    assert said.partition("; ")[0] in err, err


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("x=uniform(0, 1)", space.uniform(0, 1)),
        ("x=uniform(-1, 1.5, step=0.5)", space.uniform(-1, 1.5, step=0.5)),
        ("x = loguniform(1e-4, 1e-1)", None),
        ("x=loguniform(1e-4, 1e-1)", space.loguniform(1e-4, 1e-1)),
        ("x=integers(2, 8, log=True)", space.integers(2, 8, log=True)),
        ("x=choice(['a', None])", space.choice(["a", None])),
        ("x=[1, 'b', True]", space.choice([1, "b", True])),
        ("x=(1, 2)", space.choice([1, 2])),
        ("x=1", None),
        ("x=normal(0, 1)", None),
        ("x=uniform(0, low)", None),
        ("x=__import__('os').getcwd()", None),
        ("x=uniform(0, 1", None),
        ("x=uniform(*[0, 1])", None),
        ("uniform(0, 1)", None),
        ("x", None),
        ("", None),
    ],
)
def test_a_dimension_is_written_as_in_a_file(text: str, dimension: Dimension | None) -> None:
    if dimension is not None:
        assert read_dimension(text) == ("x", dimension)
        return
    with pytest.raises(UsageError, match="that is no dimension of a space"):
        read_dimension(text)


def test_a_sweep_is_rendered_for_katib(launched: Launched, capsys: pytest.CaptureFixture[str]) -> None:
    from fairlead.runs import contexts
    from fairlead.specs.contexts import Context

    contexts.add(Context(name="far", namespace="ml", store="s3://nowhere/x", image="python", worker_image="fairlead"))
    assert call(["render", f"{launched.file}:search", "--on", "far", "--as", "Experiment", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["spec"]["algorithm"]["algorithmName"]) == ("Experiment", "grid")
    assert found["spec"]["trialTemplate"]["trialSpec"]["kind"] == "Job"
    assert call(["render", f"{launched.file}:plain", "--on", "far", "--as", "Experiment"]) == 2
    assert "flow 'plain' has no sweep" in capsys.readouterr().err
