"""How long one page of runs or steps takes over a million stored step records. Prints one JSON document.

The database is generated with a fixed seed, through the index's own tables. It holds what makes listings slow:
statuses, labels and flows that nearly all, some and hardly any records have, and pages far from the newest record.

    python benchmarks/index.py [--steps 1000000] [--steps-per-run 100] [--repetitions 100] [--url URL] [--explain]
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import sqlalchemy as sa

from fairlead.store.index.index import Index
from fairlead.store.index.opening import open_index
from fairlead.store.index.tables import LABELS, METRICS, RUNS, STEPS

START = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=300)
FLOWS = [*(f"flow-{number}" for number in range(20)), "rare"]
FLOW_WEIGHTS = [30, *([4] * 19), 0.05]
STATUSES = ["succeeded", "failed", "blocked", "cancelled", "lost"]
STATUS_WEIGHTS = [96, 2, 1.5, 0.49, 0.01]
EXPERIMENTS = 200
PAGE = 50


def records(runs: int, per_run: int) -> Iterator[dict[sa.Table, list[dict[str, Any]]]]:
    """Yield the rows of one run after the other, oldest first."""
    source = random.Random(7)
    for number in range(runs):
        moment = START + SPAN * (number / runs)
        run, created = f"{moment:%Y%m%d-%H%M%S}-{number:07}", moment.timestamp()
        flow = source.choices(FLOWS, FLOW_WEIGHTS)[0]
        statuses = source.choices(STATUSES, STATUS_WEIGHTS, k=per_run)
        labels = {"team": source.choice("abcde"), "experiment": str(source.randrange(EXPERIMENTS))}
        if source.random() < 0.9:
            labels["env"] = "prod"
        if number % (runs // 5 or 1) == 0:
            labels["release"] = "yes"
        yield {
            RUNS: [run_row(run, flow, created, next((each for each in statuses if each != "succeeded"), "succeeded"))],
            LABELS: [{"run": run, "key": key, "value": value, "created": created} for key, value in labels.items()],
            STEPS: [step_row(run, flow, created, place, status) for place, status in enumerate(statuses)],
            METRICS: [metric_row(run, source.random())],
        }


def run_row(run: str, flow: str, created: float, status: str) -> dict[str, Any]:
    """Return a row of a run."""
    return {
        "run": run, "flow": flow, "status": status if status != "blocked" else "failed", "created": created,
        "finished": created + 60, "user": "ana", "params": '{"rows": 500, "lr": 0.01}',
        "metrics": '{"accuracy": 0.5}', "reason": None, "error": None,
    }  # fmt: skip


def step_row(run: str, flow: str, created: float, place: int, status: str) -> dict[str, Any]:
    """Return a row of a step: most are items of one mapped step."""
    return {
        "run": run, "ordinal": place, "name": ("load", "fit", "evaluate")[min(place, 1) if place % 50 else place // 50],
        "index": place, "flow": flow, "created": created, "status": status, "cached": place % 10 == 0,
        "started": created + place, "finished": created + place + 1, "artifact": f"{place:032x}{abs(hash(run)):032x}",
        "error": "ValueError" if status == "failed" else None,
    }  # fmt: skip


def metric_row(run: str, value: float) -> dict[str, Any]:
    """Return a row of a metric."""
    return {
        "run": run, "step": "evaluate", "index": 50, "name": "accuracy",
        "last": value, "min": value / 2, "max": value, "of_run": True,
    }  # fmt: skip


def fill(engine: sa.Engine, runs: int, per_run: int) -> None:
    """Insert everything, a few hundred runs in a statement."""
    waiting: dict[sa.Table, list[dict[str, Any]]] = {}
    with engine.begin() as connection:
        for number, rows in enumerate(records(runs, per_run), 1):
            for table, some in rows.items():
                waiting.setdefault(table, []).extend(some)
            if len(waiting[STEPS]) >= 20_000 or number == runs:
                for table, some in waiting.items():
                    connection.execute(sa.insert(table), some)
                waiting.clear()


Query = Callable[[], Any]


def cases(index: Index, source: random.Random) -> dict[str, Callable[[], Query]]:
    """Return what is measured: for each name a function that draws the next query."""

    def moment() -> datetime:
        return START + SPAN * source.random()

    def flow() -> str:
        return source.choices(FLOWS, FLOW_WEIGHTS)[0]

    def experiment() -> dict[str, str]:
        return {"experiment": str(source.randrange(EXPERIMENTS))}

    def following(status: str | None) -> Query:
        page = index.steps(until=moment(), status=status, limit=1)
        return partial(index.steps, status=status, after=page[0] if page else None)

    def days() -> dict[str, datetime]:
        day = moment()
        return {"since": day, "until": day + timedelta(days=1)}

    steps, runs, metric = index.steps, index.runs, index.metric_table
    prod, release = {"env": "prod"}, {"release": "yes"}
    return {
        "steps": lambda: steps,
        "steps of a flow": lambda: partial(steps, flow=flow()),
        "steps of a rare flow": lambda: partial(steps, flow="rare"),
        "steps of a flow that is not there": lambda: partial(steps, flow="none"),
        "steps failed": lambda: partial(steps, status="failed"),
        "steps lost": lambda: partial(steps, status="lost"),
        "steps failed or lost": lambda: partial(steps, status=("failed", "lost")),
        "steps failed of a flow": lambda: partial(steps, flow=flow(), status="failed"),
        "steps lost of a flow": lambda: partial(steps, flow=flow(), status="lost"),
        "steps by name": lambda: partial(steps, name="fit"),
        "steps by name, lost": lambda: partial(steps, name="load", status="lost"),
        "steps of a day": lambda: partial(steps, **days()),
        "steps failed before a day": lambda: partial(steps, status="failed", until=moment()),
        "steps, a later page": lambda: following(None),
        "steps failed, a later page": lambda: following("failed"),
        "steps by common label": lambda: partial(steps, labels=prod),
        "steps by label": lambda: partial(steps, labels=experiment()),
        "steps by rare label": lambda: partial(steps, labels=release),
        "steps failed by label": lambda: partial(steps, labels=experiment(), status="failed"),
        "steps lost by common label": lambda: partial(steps, labels=prod, status="lost"),
        "steps failed by two labels": lambda: partial(steps, labels={**experiment(), **prod}, status="failed"),
        "steps of a flow, label, time": lambda: partial(steps, flow=flow(), labels=experiment(), until=moment()),
        "runs": lambda: partial(runs, all=True),
        "runs under way": lambda: runs,
        "runs failed of a flow": lambda: partial(runs, flow=flow(), status="failed"),
        "runs by label": lambda: partial(runs, all=True, labels=experiment()),
        "runs of a rare flow by common label": lambda: partial(runs, flow="rare", all=True, labels=prod),
        "runs of a flow, label, time": lambda: partial(
            runs, flow=flow(), all=True, labels=experiment(), until=moment()
        ),
        "runs by accuracy": lambda: partial(metric, "accuracy", sort="last"),
        "runs of a flow by accuracy": lambda: partial(metric, "accuracy", flow=flow(), sort="last"),
        "runs with accuracy": lambda: partial(metric, "accuracy"),
    }


def measure(index: Index, repetitions: int) -> dict[str, Any]:
    """Return the figures of each query, and of all of them together, in milliseconds."""
    found: dict[str, dict[str, float]] = {}
    together: list[float] = []
    together_cpu: list[float] = []
    for name, draw in cases(index, random.Random(11)).items():
        times, cpu = [], []
        for _ in range(repetitions):
            query = draw()
            begin, begin_cpu = time.perf_counter(), time.thread_time()
            rows = len(query())
            times.append((time.perf_counter() - begin) * 1e3)
            cpu.append((time.thread_time() - begin_cpu) * 1e3)
        together += times
        together_cpu += cpu  # what the query itself costs on a machine that is busy with other things
        found[name] = {**figures(times), "cpu_p99_ms": figures(cpu)["p99_ms"], "rows": rows}
        print(f"{name}: {found[name]}", file=sys.stderr)
    worst = max(found, key=lambda name: found[name]["p99_ms"])
    everything = {**figures(together), "cpu_p99_ms": figures(together_cpu)["p99_ms"]}
    return {"all": everything, "worst": {"query": worst, **found[worst]}, "queries": found}


def figures(times: list[float]) -> dict[str, float]:
    """Return median, 99th percentile and maximum."""
    ordered = sorted(times)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {"median_ms": round(statistics.median(ordered), 2), "p99_ms": round(p99, 2), "max_ms": round(ordered[-1], 2)}


def explain(index: Index, engine: sa.Engine) -> None:
    """Print how SQLite walks each query."""
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            with sqlite3.connect(str(engine.url.database)) as plain:
                plan = plain.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            said.append(" | ".join(row[3] for row in plan))

    sa.event.listen(engine, "before_cursor_execute", note)
    for name, draw in cases(index, random.Random(11)).items():
        said.clear()
        draw()()
        print(name, *said, sep="\n    ", file=sys.stderr)
    sa.event.remove(engine, "before_cursor_execute", note)


def main() -> None:
    """Generate the database, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--steps-per-run", type=int, default=100)
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--url", help="a database to fill; a SQLite file in a temporary folder where it is not given")
    parser.add_argument("--explain", action="store_true", help="print SQLite's query plans to the standard error")
    options = parser.parse_args()
    runs = options.steps // options.steps_per_run
    with tempfile.TemporaryDirectory() as folder, open_index(options.url, Path(folder)) as index:
        engine = index._engine
        begin = time.perf_counter()
        fill(engine, runs, options.steps_per_run)
        filled_s = time.perf_counter() - begin
        if options.explain:
            explain(index, engine)
        document = {
            "benchmark": "index",
            "steps": runs * options.steps_per_run,
            "runs": runs,
            "database": engine.dialect.name,
            "page": PAGE,
            "fill_s": round(filled_s, 1),
            "size_mb": round(index.address.path.stat().st_size / 1e6) if index.address.path else None,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            **measure(index, options.repetitions),
        }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
