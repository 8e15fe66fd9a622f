"""The live table of a run on a terminal."""

from __future__ import annotations

import time
from collections import Counter
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fairlead.cli.display import Display
from fairlead.quantities import human_duration, human_number
from fairlead.runs.tallying import Tally
from fairlead.store.progress import Instance, Progress
from fairlead.store.records import RunSpec

_STYLES = {"succeeded": "green", "cached": "cyan", "running": "bold yellow", "failed": "bold red", "cancelled": "red"}
_ROWS_MAX = 24


class LiveDisplay(Display):
    """Keeps a line for each step of the flow up to date, with what running steps log."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream, quiet=False)
        self._console = Console(file=stream)
        self._live: Live | None = None
        self._tally = Tally()
        self._notes: dict[str, str] = {}
        self._since = time.time()

    def close(self) -> None:
        """Leave the last table standing no longer: the final one follows."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def started(self, spec: RunSpec, progress: Progress) -> None:
        """Begin to show."""
        self.spec, self.progress = spec, progress
        for instance in progress.instances.values():
            self._tally.take(instance)
        self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=8, transient=True)
        self._live.start()

    def changed(self, instance: Instance) -> None:
        """Count an instance under its new word."""
        self._tally.take(instance)

    def progressed(self, instance: Instance, done: float, total: float | None) -> None:
        """Show how far a step is."""
        self._notes[instance.name] = f"{instance.index}: {done:g}" + (f"/{total:g}" if total else "")

    def logged(self, instance: Instance, values: dict[str, float]) -> None:
        """Show what a step logged last."""
        self._notes[instance.name] = f"{instance.index}: " + "  ".join(
            f"{name} {human_number(value)}" for name, value in values.items()
        )

    def noted(self, message: str) -> None:
        """Print a note above the table."""
        self._console.print(message, style="yellow")

    def _table(self) -> Group:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("STEP", "STATUS", ""):
            table.add_column(column)
        names = list(self._tally.counts)
        for name in names[-_ROWS_MAX:]:
            table.add_row(name, _words(self._tally.counts[name]), Text(self._notes.get(name, ""), style="dim"))
        assert self.spec is not None
        took = human_duration(time.time() - self._since)
        return Group(Text(f"run {self.spec.run}   flow {self.spec.graph.flow}   {took}", style="bold"), table)


def _words(counts: Counter[str]) -> Text:
    text = Text()
    total = sum(counts.values())
    for word, count in counts.items():
        if count:
            text.append(f"{word}  " if total == 1 else f"{count} {word}  ", style=_STYLES.get(word, "dim"))
    return text
