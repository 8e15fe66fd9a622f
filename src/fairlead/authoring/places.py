"""Where in the user's files something was written."""

from __future__ import annotations

import os
import sys
from types import FrameType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep


def user_frame() -> FrameType | None:
    """Return the innermost frame that is neither Fairlead's nor a library's; else the innermost not Fairlead's."""
    frame: FrameType | None = sys._getframe(1)
    outside = None
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_PACKAGE):
            if not _is_library(file):
                return frame
            outside = outside or frame
        frame = frame.f_back
    return outside


def _is_library(file: str) -> bool:
    return file.startswith(_LIBRARY) or f"{os.sep}site-packages{os.sep}" in file


def user_line() -> str:
    """Return the user's file and line that led here, with its text: ``flow.py:14: if score > 1:``."""
    frame = user_frame()
    return "" if frame is None else _shown(frame, frame.f_lineno)


def line_raised(error: BaseException) -> str:
    """Return the user's line in the body of a flow from which an error came, with its text."""
    trace, found = error.__traceback__, ""
    while trace is not None and not found:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(_PACKAGE) and not _is_library(file):
            found = _shown(trace.tb_frame, trace.tb_lineno)
        trace = trace.tb_next
    return found


def _shown(frame: FrameType, line: int) -> str:
    import linecache  # lazy: linecache, 3 ms; only on the way to an error

    text = linecache.getline(frame.f_code.co_filename, line, frame.f_globals).strip()
    return f"{frame.f_code.co_filename}:{line}" + (f": {text}" if text else "")
