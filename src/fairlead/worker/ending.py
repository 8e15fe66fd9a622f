"""Ending a process that shares its beginning with others: it runs its own exit handlers, and none that it inherited."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn

_inherited_exit_handlers = atexit._ncallbacks()


def leaves_at_once() -> bool:
    """Say whether nothing is left to do in this process after its task: no thread, and no handler of its exit."""
    return threading.active_count() == 1 and atexit._ncallbacks() == _inherited_exit_handlers


def leave(code: int) -> NoReturn:
    """End this process at once: no thread that still runs, and nothing inherited, can hold it."""
    try:
        if atexit._ncallbacks() > _inherited_exit_handlers:
            atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
