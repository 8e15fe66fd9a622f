"""Following a run while it runs."""

from __future__ import annotations

import threading
import time
from typing import Any, cast

from fairlead.authoring.flows import flow
from fairlead.authoring.steps import step
from fairlead.notebook.rendering import View
from fairlead.notebook.showing import UPDATE_S, Lines, LiveTable, bundle
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import RunSpec


@step
def square(x: int) -> int:
    return x * x


@step
def total(values: list[int]) -> int:
    return sum(values)


@flow
def squares() -> int:
    return total(square.map(list(range(3))))


def begun() -> tuple[RunSpec, Progress]:
    graph = squares.trace().graph
    spec = RunSpec(run="20261123-140000-abcde", created=0.0, graph=graph)
    return spec, Progress(graph, lambda ref: 0)


class Shown:
    """Collects views, and lets a test wait for one."""

    def __init__(self) -> None:
        self.views: list[View] = []
        self._more = threading.Condition()

    def __call__(self, view: View) -> None:
        with self._more:
            self.views.append(view)
            self._more.notify_all()

    def wait_for(self, word: str) -> None:
        with self._more:
            assert self._more.wait_for(lambda: word in bundle(self.views[-1])["text/plain"], timeout=10)


def test_the_last_change_is_shown_though_nothing_follows() -> None:
    spec, progress = begun()
    shown = Shown()
    live = LiveTable(shown)
    live.started(spec, progress)
    assert "3 pending" in bundle(shown.views[0])["text/plain"]
    (first, *_) = progress.take_ready()
    first.status = "succeeded"
    live.changed(first)
    shown.wait_for("2 pending, 1 succeeded")
    live.logged(first, {"loss": 0.25})
    shown.wait_for("0: loss 0.25")
    live.progressed(first, 3, 10)
    shown.wait_for("0: 3 / 10")
    live.close()


def test_thousands_of_changes_are_a_few_updates() -> None:
    spec, progress = begun()
    shown = Shown()
    live = LiveTable(shown)
    live.started(spec, progress)
    (first, *_) = progress.take_ready()
    begin = time.monotonic()
    for number in range(20_000):
        live.logged(first, {"loss": float(number)})
    took = time.monotonic() - begin
    live.close(shown.views[0])
    assert len(shown.views) <= 3 + took / UPDATE_S
    assert not any(each.name == "fairlead-table" for each in threading.enumerate())


def test_a_note_of_an_interrupt_within_a_change_does_not_block() -> None:
    spec, progress = begun()
    live = LiveTable(lambda view: None)
    live.started(spec, progress)
    with live._lock:  # as a signal handler finds it, on the same thread
        live.noted("cancelling; interrupt again to kill")
    assert live.interrupted
    live.close()


def test_lines_tell_a_selection() -> None:
    said: list[str] = []
    lines = Lines(said.append)
    instance = cast("Any", Instance)("square", 0, None)
    instance.status = "running"
    for _ in range(1000):
        lines.changed(instance)
    assert len(said) == 20
    instance.status, instance.reason = "failed", "ValueError: no"
    lines.changed(instance)
    assert said[-1] == "  square/0 failed: ValueError: no"
