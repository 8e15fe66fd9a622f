"""Flows that say what Fairlead adds on a cluster: a chain of steps that do nothing, and one that prints the time."""

from __future__ import annotations

import time

from fairlead import flow, step


@step(cpu=0.5, memory="128Mi", cache=False)
def nothing(x: int) -> int:
    """Return what is given."""
    return x


@step(cpu=0.5, memory="128Mi", cache=False)
def clock(seconds: float) -> int:
    """Print the time, four times a second."""
    until, lines = time.time() + seconds, 0
    while time.time() < until:
        print(f"at {time.time():.3f}", flush=True)
        lines += 1
        time.sleep(0.25)
    return lines


@flow
def chain(length: int = 5) -> int:
    """A chain of steps."""
    last = 0
    for _ in range(length):
        last = nothing(last)
    return last


@flow
def wide(count: int = 10_000) -> list[int]:
    """Steps beside each other, each a node of its own."""
    return [nothing(number) for number in range(count)]


@flow
def clocked(seconds: float = 20.0) -> int:
    """One step that prints the time."""
    return clock(seconds)
