"""Taking results as they come: a terminal shows how many there are, and an interrupt leaves those that there are."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")

_INTERRUPTED = 130


def gathered(results: Iterable[Item], count: int, what: str, arguments: argparse.Namespace) -> tuple[list[Item], int]:
    """Return all results and the exit code; where the user interrupts, those that there are, and it is said.

    Args:
        results: The results, each as soon as there is one.
        count: How many there will be.
        what: What they are, for people: ``policies``.
        arguments: Whether people read what is printed.
    """
    found: list[Item] = []
    try:
        with _interrupts() as interrupts, _shown(results, count, what, arguments.output) as shown:
            for each in shown:
                found.append(each)  # at once: an interrupt keeps it
                if interrupts:
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        print(
            f"interrupted: what follows is only a part of what was asked for, {len(found)} of {count} {what}",
            file=sys.stderr,
        )
        return found, _INTERRUPTED
    return found, 0


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Yield a list of the interrupts that have come: Python drops the exception where one comes in a finalizer."""
    found: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        found.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    before = signal.signal(signal.SIGINT, hear)
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _shown(results: Iterable[Item], count: int, what: str, form: str) -> Iterator[Iterable[Item]]:
    """Give the results, and show how many have come: only people at a terminal are shown it."""
    if form != "table" or not sys.stderr.isatty():
        yield results
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress.track(results, total=count, description=what)
