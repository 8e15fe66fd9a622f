"""Following a run: a table that is kept up to date where a notebook shows HTML, lines of text elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from fairlead.engines.contract import Observer
from fairlead.notebook.rendering import Row, View, html, text
from fairlead.quantities import human_duration, human_number
from fairlead.runs.tallying import Tally
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import RunSpec

UPDATE_S = 0.25
"""The least time between two updates: a browser that redraws more often is slower, not better informed."""
_IDLE_UPDATES = 4
_LINES_PER_STEP_MAX = 20
_CANCELLING = "cancelling"


class Show(Protocol):
    """Puts a view where it is seen, in the place of the one before."""

    def __call__(self, view: View) -> None:
        """Show it."""


class Following(Observer, Protocol):
    """An observer that is told when it is over."""

    @property
    def interrupted(self) -> bool:
        """Whether somebody interrupted the run here."""

    def close(self, view: View | None = None) -> None:
        """Leave this as the last that is seen, where there was a run."""


class LiveTable:
    """Counts what happens, and shows the counts from a thread of its own; an `Observer`.

    Args:
        show: Puts a view in the place of the one before.
    """

    def __init__(self, show: Show) -> None:
        self._show = show
        # Reentrant: an interrupt's note comes on the main thread, wherever that is.
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None
        self._spec: RunSpec | None = None
        self._tally = Tally()
        self._last: dict[str, str] = {}
        self._notes: list[str] = []
        self._since = time.monotonic()
        self._changed = False

    @property
    def interrupted(self) -> bool:
        """Whether somebody interrupted the run here."""
        return any(note.startswith(_CANCELLING) for note in self._notes)

    def started(self, spec: RunSpec, progress: Progress) -> None:
        """Begin to show."""
        self._spec, self._since = spec, time.monotonic()
        for node in spec.graph.nodes:
            self._tally.counts.setdefault(node.title, Counter())
        for instance in progress.instances.values():
            self._tally.take(instance)
        self._show(self._view())
        self._ticker = threading.Thread(target=self._tick, name="fairlead-table", daemon=True)
        self._ticker.start()

    def changed(self, instance: Instance) -> None:
        """Count an instance under its new word."""
        with self._lock:
            self._tally.take(instance)
            self._changed = True

    def progressed(self, instance: Instance, done: float, total: float | None) -> None:
        """Show how far a step is."""
        self._say(instance, f"{done:g}" + (f" / {total:g}" if total else ""))

    def logged(self, instance: Instance, values: dict[str, float]) -> None:
        """Show what a step logged last."""
        self._say(instance, "  ".join(f"{name} {human_number(value)}" for name, value in values.items()))

    def noted(self, message: str) -> None:
        """Show a note below the table."""
        with self._lock:
            self._notes.append(message)
            self._changed = True

    def close(self, view: View | None = None) -> None:
        """Stop, and leave this view."""
        self._stop.set()
        if self._ticker is not None:
            self._ticker.join()
            self._ticker = None
        if view is not None:
            self._show(view)

    def _say(self, instance: Instance, said: str) -> None:
        with self._lock:
            is_one = sum(self._tally.counts.get(instance.name, Counter()).values()) <= 1
            self._last[instance.name] = said if is_one else f"{instance.index}: {said}"
            self._changed = True

    def _tick(self) -> None:
        idle = 0
        while not self._stop.wait(UPDATE_S):
            idle += 1
            if self._changed or idle >= _IDLE_UPDATES:  # the time that has passed is news too
                idle = 0
                self._show(self._view())

    def _view(self) -> View:
        with self._lock:
            self._changed = False
            assert self._spec is not None
            rows = (
                Row(name, dict(counts) or {"pending": 1}, note=self._last.get(name, ""))
                for name, counts in self._tally.counts.items()
            )
            return View(
                run=self._spec.run,
                flow=self._spec.graph.flow,
                status="running",
                took=human_duration(time.monotonic() - self._since),
                params=dict(self._spec.graph.parameters),
                rows=tuple(rows),
                notes=tuple(self._notes),
            )


class Lines:
    """Prints a line for what happens, of many instances of a step a selection; an `Observer`."""

    def __init__(self, say: Callable[[str], None] = print) -> None:
        self._say = say
        self._said: Counter[str] = Counter()
        self.interrupted = False

    def started(self, spec: RunSpec, progress: Progress) -> None:
        """Say which run this is."""
        self._say(f"run {spec.run} of {spec.graph.flow}")

    def changed(self, instance: Instance) -> None:
        """Say what has become of a step."""
        self._said[instance.name] += 1
        if self._said[instance.name] <= _LINES_PER_STEP_MAX or instance.status == "failed":
            reason = f": {instance.reason}" if instance.reason and instance.status != "succeeded" else ""
            self._say(f"  {instance.name}/{instance.index} {'cached' if instance.cached else instance.status}{reason}")

    def progressed(self, instance: Instance, done: float, total: float | None) -> None:
        """Say nothing: lines can't be taken back."""

    def logged(self, instance: Instance, values: dict[str, float]) -> None:
        """Say nothing: lines can't be taken back."""

    def noted(self, message: str) -> None:
        """Pass a note on."""
        self.interrupted = self.interrupted or message.startswith(_CANCELLING)
        self._say(message)

    def close(self, view: View | None = None) -> None:
        """Say why, where it failed; the run shows its table itself."""
        if view is not None and view.failure is not None:
            self._say("\n".join(view.failure.lines()))


def follow(shell: Any) -> Following:
    """Return what follows a run in this shell: a kernel has a page that is redrawn, a terminal does not."""
    return LiveTable(_in_output()) if getattr(shell, "kernel", None) is not None else Lines()


def bundle(view: View) -> dict[str, str]:
    """Return a view in every form that a front end may choose from."""
    return {"text/html": html(view), "text/plain": text(view)}


def _in_output() -> Show:
    """Return what shows views in the output of the cell that is being executed."""
    from IPython.display import display  # lazy: there already, in a kernel

    handles: list[Any] = []

    def show(view: View) -> None:
        if handles:
            handles[0].update(bundle(view), raw=True)
        else:
            handles.append(display(bundle(view), raw=True, display_id=True))  # type: ignore[no-untyped-call]  # IPython's

    return show
