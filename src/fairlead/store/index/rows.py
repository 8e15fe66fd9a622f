"""From what the store knows of a run to the rows of the index: a pure function."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from fairlead.naming import parse_time
from fairlead.specs.reports import RunReport, StepReport
from fairlead.specs.status import ENDED
from fairlead.store.catalog import Transition
from fairlead.store.index.tables import LABELS, METRICS, RUNS, STEPS
from fairlead.store.records import Cached, Ended, Observation, RunSpec, Summary

Rows = dict[sa.Table, list[dict[str, Any]]]
Summaries = Mapping[tuple[str, int], Mapping[str, Summary]]
"""For each instance of a step, the values it logged by name."""


def rows_of(report: RunReport, spec: RunSpec, summaries: Summaries) -> Rows:
    """Return every row that a run has in the index."""
    return {
        RUNS: [_run_row(report, spec)],
        LABELS: [
            {"run": spec.run, "key": _text(key), "value": _text(value), "created": spec.created}
            for key, value in sorted(report.labels.items())
        ],
        STEPS: [_step_row(spec, ordinal, step) for ordinal, step in enumerate(report.steps)],
        METRICS: _metric_rows(report, summaries),
    }


def unreadable_rows(transition: Transition, why: str, created: float) -> Rows:
    """Return the rows of a run whose records can't be read: what the catalog says of it, and why it is not more."""
    row = {
        "run": transition.run, "flow": transition.flow, "status": transition.status, "created": created,
        "finished": None, "user": "", "params": "{}", "metrics": "{}", "reason": _text(why), "error": "DamagedError",
    }  # fmt: skip
    return {RUNS: [row], LABELS: [], STEPS: [], METRICS: []}


def summaries_in(observations: Iterable[Observation]) -> Summaries:
    """Return what each instance logged: of a success, or else of its newest attempt."""
    found: dict[tuple[str, int], tuple[tuple[bool, int], Mapping[str, Summary]]] = {}
    for each in observations:
        if isinstance(each, Ended):
            record = each.record
            key, weight, metrics = (record.step, record.index), record.number, record.outcome.metrics
            rank = (record.status == "succeeded", weight)
        elif isinstance(each, Cached):
            key, rank, metrics = (each.step, each.index), (True, 0), each.entry.outcome.metrics
        else:
            continue
        if key not in found or rank >= found[key][0]:
            found[key] = (rank, metrics)
    return {key: metrics for key, (_, metrics) in found.items()}


def _run_row(report: RunReport, spec: RunSpec) -> dict[str, Any]:
    failed = next((error for step in report.steps if step.status == "failed" and (error := _error_of(step))), None)
    return {
        "run": spec.run,
        "flow": report.flow,
        "status": report.status,
        "created": spec.created,
        "finished": _seconds(report.finished),
        "user": _text(spec.user),
        "params": msgspec.json.encode(report.params).decode(),
        "metrics": json.dumps(report.metrics),
        "reason": _text(report.reason),
        "error": failed,
    }


def _step_row(spec: RunSpec, ordinal: int, step: StepReport) -> dict[str, Any]:
    return {
        "run": spec.run,
        "ordinal": ordinal,
        "name": step.name,
        "index": step.index,
        "flow": spec.graph.flow,
        "created": spec.created,
        "status": step.status,
        "cached": step.cached,
        "started": _seconds(step.started),
        "finished": _seconds(step.finished) if step.status in ENDED else None,
        "artifact": step.artifact,
        "error": _error_of(step),
    }


def _metric_rows(report: RunReport, summaries: Summaries) -> list[dict[str, Any]]:
    rows: dict[tuple[str, int, str], dict[str, Any]] = {}
    newest: dict[str, dict[str, Any]] = {}  # by name, the last step in order: the same rule as the report's
    for step in report.steps:
        known = summaries.get((step.name, step.index), {})
        for name, last in step.metrics.items():
            seen = known.get(name)
            low, high = (seen.min, seen.max) if seen is not None else (last, last)
            row = {
                "run": report.run, "step": step.name, "index": step.index, "name": _text(name),
                "last": _number(last), "min": _number(low), "max": _number(high), "of_run": False,
            }  # fmt: skip
            rows[step.name, step.index, name] = newest[name] = row
    for row in newest.values():
        row["of_run"] = True
    return list(rows.values())


def _error_of(step: StepReport) -> str | None:
    newest = max(step.attempts, key=lambda each: each.number, default=None)
    return _text(newest.error.type) if newest is not None and newest.error is not None else None


def _seconds(time: str | None) -> float | None:
    return None if time is None else parse_time(time).timestamp()


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)  # SQLite keeps no NaN


def _text(value: str | None) -> Any:
    """Replace what a database does not take as text: NUL in PostgreSQL, half a surrogate pair in both."""
    return None if value is None else value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
