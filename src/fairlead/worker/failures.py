"""Telling why an attempt failed: an exception, with the user's own frames first, or the last lines of a crash."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from fairlead.specs.reports import ErrorReport

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_FRAME = re.compile(r'  File "(.+)", line (\d+) in (.+)')
_MESSAGE_CHARACTERS_MAX = 2000
_FRAMES_MAX = 12
_TRACEBACK_CHARACTERS_MAX = 64_000

TAIL_LINES = 20
"""How many of the last lines of a log stand in the record of an attempt that died."""
_TAIL_BYTES = 16 << 10
_FRAME = re.compile(r'  File "(.+)", line (\d+) in (.+)')


def report(error: BaseException, root: str) -> ErrorReport:
    """Describe an exception.

    Args:
        error: The exception.
        root: The project's root; frames below it are the user's.
    """
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_PACKAGE)]
    own = [frame for frame in frames if _is_own(frame.filename, root)] or frames
    whole = "".join(traceback.format_exception(type(error), error, _without_package(error)))
    return ErrorReport(
        type=type(error).__qualname__,
        message=(str(error) or type(error).__qualname__)[:_MESSAGE_CHARACTERS_MAX],
        frames=tuple(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in own[-_FRAMES_MAX:]),
        line=(own[-1].line or "") if own else "",
        traceback=whole[-_TRACEBACK_CHARACTERS_MAX:],
    )


def _is_own(filename: str, root: str) -> bool:
    return filename.startswith(root.rstrip(os.sep) + os.sep) and "site-packages" not in filename


def _without_package(error: BaseException):  # type: ignore[no-untyped-def]  # TracebackType | None
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        trace = trace.tb_next
    return trace or error.__traceback__


def last_lines(log: Path | None) -> list[str]:
    """Return the last lines of a log, as far as it can be read."""
    if log is None:
        return []
    try:
        with open(log, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def write_faults(*, all_threads: bool) -> None:
    """Have Python's fault handler write where Python was, once compiled code fails; `crash` reads it.

    Python 3.14 would add the stack of C: it would push the last lines before it out of what is kept of a log.
    """
    without: dict[str, Any] = {"c_stack": False} if sys.version_info >= (3, 14) else {}
    faulthandler.enable(all_threads=all_threads, **without)


def crash(lines: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return what was written before Python's fault handler wrote, and the user's frames that it named."""
    begin = next((number for number, line in enumerate(lines) if line.startswith("Fatal Python error: ")), len(lines))
    found = filter(None, map(_FRAME.fullmatch, lines[begin:]))
    own = [f"{each[1]}:{each[2]} in {each[3]}" for each in found if not each[1].startswith((_PACKAGE, "<frozen "))]
    return [line for line in lines[:begin] if line.strip()], tuple(reversed(own))


def hint(number: int) -> str:
    """Return what a signal as a rule means, to follow its name; nothing where there is nothing to say."""
    hints = {
        signal.SIGKILL: ": by somebody, or by the kernel for want of memory",
        signal.SIGSEGV: ": a fault in compiled code",
        signal.SIGBUS: ": a mapped file was cut short, or shared memory is full",
    }
    return hints.get(signal.Signals(number), "") if number in set(signal.Signals) else ""


def signal_name(number: int) -> str:
    """Return the name of a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
