"""A process that kills itself at a request that changes something."""

from __future__ import annotations

import functools
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def killed_at(point: int, phase: str, methods: Mapping[type, tuple[str, ...]]) -> Iterator[None]:
    """Kill this process before or after one of the calls of some methods.

    Args:
        point: Which call, counted from 1; 0 kills nobody.
        phase: ``before`` or ``after`` it.
        methods: The methods, by their class. How often they were called is printed at the end.
    """
    numbers = itertools.count(1)

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            is_it = next(numbers) == point
            if is_it and phase == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            found = method(*args, **kwargs)
            if is_it and phase == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        return wrapped

    for owner, names in methods.items():
        for name in names:
            setattr(owner, name, counted(getattr(owner, name)))
    yield
    print(f"points {next(numbers) - 1}", file=sys.stderr)
