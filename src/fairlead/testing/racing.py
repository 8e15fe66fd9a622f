"""Processes that race each other on one back end. Apart from the suite, so that a child imports no test library."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier

from fairlead.store.backends import Backend

Opener = Callable[[str], Backend]
"""Opens a back end from its URL; a function of a module, so that a new process finds it by name."""

PATIENCE_S = 60.0
"""How long a racer waits for the others; a slow machine starts four interpreters in far less."""


def content_of(racer: int) -> bytes:
    """Return what a racer writes: its own, and longer than one block of a file system."""
    return f"racer {racer} ".encode() * 2000


def race_to_create(open_again: Opener, url: str, keys: Sequence[str], racers: int) -> list[list[bool]]:
    """Let new processes create the same objects at the same moments.

    Args:
        open_again: Opens the back end in each process.
        url: The back end's URL.
        keys: One round each: no process starts a round before all are ready for it.
        racers: How many processes.

    Returns:
        A list for each racer: whether it won, round by round.
    """
    # A forked child must not use a client that has threads, so each process is a new interpreter.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(racers, context, _meet, (context.Barrier(racers),)) as pool:
        return list(pool.map(_race, [open_again] * racers, [url] * racers, [list(keys)] * racers, range(racers)))


_meeting: list[Barrier] = []


def _meet(start: Barrier) -> None:
    _meeting.append(start)


def _race(open_again: Opener, url: str, keys: list[str], racer: int) -> list[bool]:
    backend, won = open_again(url), []
    for key in keys:
        _meeting[0].wait(PATIENCE_S)  # so that no process gets two of the racers, either
        won.append(backend.create(key, content_of(racer)))
    return won
