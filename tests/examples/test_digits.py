"""The main example, with small settings; with its own in the slow tier."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.running import Example, step

pytest.importorskip("jax", reason="the example trains with JAX: pip install 'fairlead[demo]'")
pytest.importorskip("sklearn", reason="the example's data come with scikit-learn: pip install 'fairlead[demo]'")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return Example("digits/flow.py", tmp_path_factory.mktemp("digits"))


def test_a_small_run_sweeps_trains_on_two_ranks_and_reports(digits: Example) -> None:
    document = digits.run("--rows", "600", "--trials", "2", "--epochs", "30")

    trials = [each for each in document["steps"] if each["name"] == "trial"]
    best = max(trials, key=lambda each: each["metrics"]["accuracy"])
    assert len(trials) == 2
    assert digits.value(document, "sweep-trial", output=2) == best["metrics"]["accuracy"]

    weights, losses = digits.value(document, "fit"), digits.value(document, "fit", output=1)
    assert weights["hidden"].shape == (64, digits.value(document, "sweep-trial", output=1)["hidden"])
    assert len(losses) == 30 and losses[-1] < losses[0] / 5

    assert step(document, "evaluate")["metrics"]["accuracy"] > 0.85  # 120 rows to test with
    assert sum(map(sum, digits.value(document, "evaluate", output=1))) == 120

    page: Path = digits.value(document, "report")
    assert page.read_text("utf-8").count("data:image/png;base64,") == 2
    for drawing in ("curve", "confusion"):
        assert digits.value(document, drawing).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_all_rows_give_an_accuracy_of_95_percent_and_a_second_run_executes_nothing(digits: Example) -> None:
    first, second = digits.run(), digits.run()

    assert step(first, "evaluate")["metrics"]["accuracy"] >= 0.95
    assert all(each["cached"] for each in second["steps"])
