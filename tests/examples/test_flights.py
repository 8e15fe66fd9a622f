"""The flights of New York City: joined, modelled, cached."""

from __future__ import annotations

from typing import Any

import pytest

from examples.running import Example, step

pytest.importorskip("pandas", reason="the example works on data frames: pip install 'fairlead[examples]'")
pytest.importorskip("sklearn", reason="the example's model is scikit-learn's: pip install 'fairlead[examples]'")


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return Example("flights/flow.py", tmp_path_factory.mktemp("flights"))


SMALL = ("--months", "2", "--trees", "20")


@pytest.fixture(scope="module")
def document(flights: Example) -> dict[str, Any]:
    return flights.run(*SMALL)


def test_two_months_are_joined_with_the_weather_and_modelled(flights: Example, document: dict[str, Any]) -> None:
    assert [each["index"] for each in document["steps"] if each["name"] == "prepare"] == [0, 1]
    january = flights.value(document, "prepare", 0)
    assert len(january) == 26_398  # 27,004 flights less the 606 that did not arrive
    assert january["temp"].notna().mean() > 0.99  # nearly every flight has found its weather
    assert step(document, "evaluate")["metrics"]["roc_auc"] > 0.6


@pytest.mark.usefixtures("document")
def test_a_second_run_executes_only_what_depends_on_a_changed_parameter(flights: Example) -> None:
    assert all(each["cached"] for each in flights.run(*SMALL)["steps"])

    changed = flights.run(*SMALL, "--first-test-day", "25")
    assert {each["name"] for each in changed["steps"] if each["cached"]} == {"load", "prepare"}


@pytest.mark.slow
def test_the_whole_year_has_336776_flights(flights: Example) -> None:
    document = flights.run()

    departures = flights.value(document, "load")
    assert len(departures) == 336_776
    assert step(document, "divide")["metrics"] == {"training_rows": 226_342.0, "test_rows": 101_004.0}
    assert step(document, "evaluate")["metrics"]["roc_auc"] > 0.7
