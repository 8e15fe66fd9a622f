"""This process's terminal: passed on as it is while a command elsewhere has it, and then as it was."""

from __future__ import annotations

import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_ENDING = (signal.SIGTERM, signal.SIGHUP)


def is_interactive() -> bool:
    """Say whether a person sits at both ends of this process: what it reads, and what it writes."""
    return is_terminal(0) and is_terminal(1)


def is_terminal(descriptor: int) -> bool:
    """Say whether a descriptor is open, and a terminal."""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def size() -> os.terminal_size:
    """Return the size of the terminal that is written to."""
    return os.get_terminal_size(1)


@contextmanager
def passed_on(told: int) -> Iterator[None]:
    """Have every key go on as it is, Ctrl-C too; afterwards the terminal is as before, however this ends.

    Args:
        told: A descriptor that does not block. It gets a byte, the number of the signal, when the terminal has another
            size: at once, where a handler in Python could wait for as long as the main thread reads.
    """
    before = termios.tcgetattr(0)
    handler = signal.signal(signal.SIGWINCH, lambda *_: None)
    earlier = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        tty.setraw(0, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        signal.set_wakeup_fd(earlier)
        signal.signal(signal.SIGWINCH, handler)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Have the signals that end a process raise `SystemExit`, so that what it has made is cleared away first."""
    before = {number: signal.signal(number, _end) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
