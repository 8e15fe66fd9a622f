"""A run as HTML and as text: pure functions of its report. Everything from the run is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape
from typing import NamedTuple

from fairlead.notebook.failures import Failure, failure_of
from fairlead.quantities import human_duration, human_number
from fairlead.runs.times import seconds_between
from fairlead.specs.reports import RunReport, StepReport

# Of middle lightness: readable on white and on black. All else takes the notebook's own colours.
_COLOURS = {
    "succeeded": "#2a9d5c",
    "cached": "#2196a8",
    "running": "#c98a00",
    "starting": "#c98a00",
    "failed": "#dc4c4c",
    "lost": "#dc4c4c",
    "cancelled": "#b36ad0",
    "blocked": "#b36ad0",
}
_GREY = "#8a8a8a"
_COLUMNS = ("step", "status", "time", "")
_CELL = "text-align:left;padding:3px 14px 3px 0;vertical-align:top"
_DIM = "opacity:.65"
_CHARACTERS_MAX = 200
_ROWS_MAX = 40


class Row(NamedTuple):
    """One line of the table: a step with all its instances."""

    name: str
    counts: dict[str, int]
    took: str = ""
    note: str = ""


class View(NamedTuple):
    """What is shown of a run."""

    run: str
    flow: str
    status: str
    took: str
    params: dict[str, object]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    failure: Failure | None = None


def view_of(report: RunReport) -> View:
    """Return what is shown of a run by its report."""
    groups: dict[str, list[StepReport]] = {}
    for step in report.steps:
        groups.setdefault(step.name, []).append(step)
    took = seconds_between(report.started, report.finished)
    failure = failure_of(report)
    return View(
        run=report.run,
        flow=report.flow,
        status=report.status,
        took="" if took is None else human_duration(took),
        params=dict(report.params),
        rows=tuple(_row(name, group) for name, group in groups.items()),
        notes=(report.reason,) if report.reason and failure is None and report.status != "cancelled" else (),
        failure=failure,
    )


def html(view: View) -> str:
    """Write a view as HTML that needs no style sheet and no script."""
    head = f'<b>{_short(view.flow)}</b> <span style="{_DIM}">{_short(view.run)}</span> {_word(view.status)}'
    if view.took:
        head += f' <span style="{_DIM}">{_short(view.took)}</span>'
    parts = [f"<div>{head}</div>"]
    if view.params:
        shown = "&nbsp; ".join(f"{_short(name)}={_short(repr(value))}" for name, value in view.params.items())
        parts.append(f'<div style="{_DIM}">{shown}</div>')
    parts.append(_table(view.rows))
    parts += [f'<div style="color:{_COLOURS["running"]}">{_short(note)}</div>' for note in view.notes]
    if view.failure is not None:
        parts.append(_failure_html(view.failure))
    return f'<div style="font-size:13px;line-height:1.5;margin:4px 0">{"".join(parts)}</div>'


def text(view: View) -> str:
    """Write a view as lines of text."""
    lines = ["   ".join(filter(None, (f"run {view.run}", f"flow {view.flow}", view.status, view.took)))]
    if view.params:
        lines.append("params " + "  ".join(f"{name}={_cut(repr(value))}" for name, value in view.params.items()))
    cells = [tuple(map(str.upper, _COLUMNS))]
    cells += [(row.name, _words(row), row.took, _cut(row.note)) for row in _shown(view.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines += ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines += view.notes
    if view.failure is not None:
        lines += ["", *view.failure.lines()]
    return "\n".join(lines)


def _row(name: str, group: list[StepReport]) -> Row:
    counts = Counter("cached" if each.cached else each.status for each in group)
    times = [_took(each) for each in group]
    known = [each for each in times if each is not None]
    metrics = group[0].metrics if len(group) == 1 else {}
    return Row(
        name=name,
        counts=dict(counts),
        took=human_duration(sum(known)) if known else "",
        note="  ".join(f"{metric} {human_number(value)}" for metric, value in metrics.items()),
    )


def _took(step: StepReport) -> float | None:
    times = [seconds_between(each.started, each.finished) for each in step.attempts]
    known = [each for each in times if each is not None]
    return sum(known) if known else None


def _table(rows: tuple[Row, ...]) -> str:
    heads = "".join(f'<th style="{_CELL};{_DIM};font-weight:normal">{each}</th>' for each in _COLUMNS)
    lines = "".join(map(_row_html, _shown(rows)))
    style = "border-collapse:collapse;margin:6px 0;color:inherit;font-size:inherit"
    return f'<table style="{style}"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>'


def _row_html(row: Row) -> str:
    plain, dim = f'<td style="{_CELL}">', f'<td style="{_CELL};{_DIM}">'
    cells = f"{plain}{_short(row.name)}</td>{plain}{_statuses(row)}</td>{plain}{_short(row.took)}</td>"
    return f'<tr style="background:transparent">{cells}{dim}{_spaced(row.note)}</td></tr>'


def _shown(rows: tuple[Row, ...]) -> Iterable[Row]:
    """Return the rows that are shown: of very many the first and the last."""
    if len(rows) <= _ROWS_MAX:
        return rows
    left_out = Row(f"… {len(rows) - _ROWS_MAX} more steps", {})
    return (*rows[: _ROWS_MAX // 2], left_out, *rows[-_ROWS_MAX // 2 :])


def _statuses(row: Row) -> str:
    total = sum(row.counts.values())
    return ", ".join(_word(word, count if total > 1 else None) for word, count in row.counts.items() if count)


def _words(row: Row) -> str:
    total = sum(row.counts.values())
    return ", ".join(f"{count} {word}" if total > 1 else word for word, count in row.counts.items() if count)


def _word(word: str, count: int | None = None) -> str:
    shown = escape(word) if count is None else f"{count} {escape(word)}"
    return f'<span style="color:{_COLOURS.get(word, _GREY)}">{shown}</span>'


def _failure_html(failure: Failure) -> str:
    head, *rest = failure.lines()
    colour = _COLOURS["cancelled" if failure.is_cancelled else "failed"]
    parts = [f'<div style="border-left:3px solid {colour};padding-left:10px;margin-top:6px">{_short(head)}']
    if rest:
        parts.append(_pre("\n".join(map(_cut, rest))))
    if failure.traceback:
        summary = f'<summary style="{_DIM};cursor:pointer">traceback</summary>'
        parts.append(f"<details>{summary}{_pre(failure.traceback)}</details>")
    return "".join(parts) + "</div>"


def _pre(lines: str) -> str:
    style = "margin:2px 0;white-space:pre-wrap;background:transparent;color:inherit;font-size:12px"
    return f'<pre style="{style}">{escape(lines)}</pre>'


def _short(value: str) -> str:
    return escape(_cut(value))


def _spaced(value: str) -> str:
    return _short(value).replace("  ", "&nbsp; ")  # two spaces stand between metrics


def _cut(value: str) -> str:
    return value if len(value) <= _CHARACTERS_MAX else f"{value[:_CHARACTERS_MAX]}…"
