"""Runs as HTML and text."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as some

from fairlead.notebook.failures import failure_of, in_cells
from fairlead.notebook.rendering import View, html, text, view_of
from fairlead.specs.reports import AttemptReport, ErrorReport, RunReport, StepReport

HOSTILE = "<script>alert(1)</script><img src=x onerror='x' \"&"
TAGS = {"div", "b", "span", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre"}


class Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(written: str) -> Reader:
    reader = Reader()
    reader.feed(written)
    reader.close()
    assert reader.open == []
    assert reader.tags <= TAGS
    assert reader.attributes <= {"style"}
    return reader


def attempt(error: ErrorReport | None = None) -> AttemptReport:
    started, finished = "2026-11-23T14:00:00.000Z", "2026-11-23T14:00:02.000Z"
    return AttemptReport(
        number=1, status="failed" if error else "succeeded", started=started, finished=finished, error=error
    )


def report(*steps: StepReport, status: str = "succeeded", said: str = "digits") -> RunReport:
    return RunReport(
        run="20261123-140000-abcde",
        flow=said,
        status=status,  # type: ignore[arg-type]  # a status
        started="2026-11-23T14:00:00.000Z",
        finished="2026-11-23T14:00:03.000Z",
        params={said: said},
        steps=steps,
        reason=said,
    )


@given(some.text() | some.just(HOSTILE))
def test_whatever_a_run_says_is_text(said: str) -> None:
    error = ErrorReport(type=said, message=said, frames=(said,), line=said, traceback=said)
    failed = StepReport(
        name=said, index=0, status="failed", metrics={said: 1.0}, attempts=(attempt(error),), reason=said
    )
    for each in (report(failed, status="failed", said=said), report(said=said), report(status="cancelled", said=said)):
        read(html(view_of(each)))


def test_hostile_name_is_shown_as_it_is() -> None:
    shown = html(view_of(report(StepReport(name=HOSTILE, index=0, status="succeeded"), said=HOSTILE)))
    assert "<script" not in shown
    assert HOSTILE in read(shown).text


def test_instances_of_a_step_share_a_row() -> None:
    steps = [StepReport(name="square", index=index, status="succeeded", attempts=(attempt(),)) for index in range(3)]
    steps.append(StepReport(name="square", index=3, status="running"))
    view = view_of(
        report(*steps, StepReport(name="total", index=0, status="succeeded", cached=True, metrics={"sum": 2.0}))
    )
    assert text(view).splitlines() == [
        "run 20261123-140000-abcde   flow digits   succeeded   3.0 s",
        "params digits='digits'",
        "STEP    STATUS                  TIME",
        "square  3 succeeded, 1 running  6.0 s",
        "total   cached                         sum 2",
        "digits",
    ]
    shown = read(html(view)).text
    assert "3 succeeded, 1 running" in shown
    assert "sum 2" in shown


def test_many_steps_show_the_first_and_the_last() -> None:
    view = view_of(report(*(StepReport(name=f"s{number}", index=0, status="pending") for number in range(1000))))
    shown = text(view)
    assert "s0 " in shown
    assert "s999" in shown
    assert "… 960 more steps" in shown
    assert len(shown.splitlines()) < 50


def test_failure_names_cells() -> None:
    error = ErrorReport(
        type="ValueError",
        message="no\nmore",
        frames=("/x/explore_cells.py:7 in fit", "/x/beside.py:3 in scale"),
        line="raise ValueError",
        traceback='  File "/x/explore_cells.py", line 7, in fit\n    raise ValueError',
    )
    failed = StepReport(name="fit", index=0, status="failed", attempts=(attempt(error),))
    failure = failure_of(report(failed, StepReport(name="after", index=0, status="blocked"), status="failed"))
    assert failure is not None
    told = in_cells(failure, lambda file, line: f"Cell In[4], line {line - 5}" if "explore" in file else None)
    assert told.lines() == [
        "step fit/0 failed: ValueError: no …",
        "  at     Cell In[4], line 2, in fit",
        "  at     /x/beside.py:3 in scale",
        "  line   raise ValueError",
        "  log    fairlead logs 20261123-140000-abcde/fit/0",
        "  also   1 blocked",
        "  next   mend the cell, run it, and run the flow again: what has succeeded comes from the cache",
    ]
    assert told.traceback.startswith("  Cell In[4], line 2, in fit")


def test_cancelled_run_says_how_to_go_on() -> None:
    assert "fairlead resume 20261123-140000-abcde" in text(view_of(report(status="cancelled")))


def test_view_of_nothing() -> None:
    read(html(View("", "", "pending", "", {}, ())))
