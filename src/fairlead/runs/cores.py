"""Computing things beside each other, in a process for each core."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any, TypeVar

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


def on_cores(
    work: Callable[[S, T], R], shared: S, tasks: Sequence[T], processes: int | None = None
) -> Iterator[tuple[int, R]]:
    """Do tasks, and return the number of each with what came of it as soon as it is done, in any order.

    Args:
        work: Does one task; a function of a module.
        shared: What it needs for every task; it is sent to each process once.
        tasks: The tasks.
        processes: How many processes; as many as there are cores where None. One is this process itself.
    """
    count = min(processes or _cores(), len(tasks))
    if count <= 1:
        return ((number, work(shared, task)) for number, task in enumerate(tasks))
    return _by_many(work, shared, tasks, count)


def in_order(found: Iterator[tuple[int, R]]) -> Iterator[R]:
    """Return results in the order of their tasks, each as soon as it and all before it are there."""
    ahead: dict[int, R] = {}
    due = 0
    for number, result in found:
        ahead[number] = result
        while due in ahead:
            yield ahead.pop(due)
            due += 1


def _by_many(work: Callable[[S, T], R], shared: S, tasks: Sequence[T], count: int) -> Iterator[tuple[int, R]]:
    # spawn: a process that has threads, as NumPy's may, is not forked
    pool = ProcessPoolExecutor(count, get_context("spawn"), _Worker.begin, (work, shared))
    others = set(active_children())
    try:
        with _uninterrupted():
            futures = {pool.submit(_Worker.done, task): number for number, task in enumerate(tasks)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BaseException:  # an interrupt above all, wherever it comes
        for process in set(active_children()) - others:
            process.terminate()  # nobody waits for what it is at
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Have processes that are started meanwhile never hear of an interrupt at the terminal, which is for this one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """What a process of the pool has: what does the tasks, and what all of them need."""

    work: Callable[[Any, Any], Any]
    shared: Any

    @classmethod
    def begin(cls, work: Callable[[Any, Any], Any], shared: Any) -> None:
        cls.work, cls.shared = staticmethod(work), shared

    @classmethod
    def done(cls, task: Any) -> Any:
        return cls.work(cls.shared, task)
