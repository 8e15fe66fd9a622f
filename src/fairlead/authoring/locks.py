"""The lock of a step: a file of pinned requirements beside the code, read when its flow is traced."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from fairlead.authoring.places import user_line
from fairlead.errors import Fault, SpecError, UsageError
from fairlead.specs.requirements import HOW, LOCK, read_requirements
from fairlead.specs.values import Ref


class Lock(NamedTuple):
    """What a lock says, and the reference by which specs name it."""

    ref: Ref
    text: bytes


def read_lock(path: str | os.PathLike[str], function: Callable[..., Any] | None) -> Lock:
    """Read a lock.

    Args:
        path: The file; a relative path begins at the folder of the function's file, or here where that is none.
        function: The step's function, or None where it has none.

    Raises:
        UsageError: It can't be read.
        SpecError: It is no lock; every line that keeps it from being one is named.
    """
    found = os.fspath(path)
    code = None if function is None else inspect.unwrap(function).__code__.co_filename
    if code is not None and os.path.exists(code):  # a notebook's cells are no files
        found = os.path.join(os.path.dirname(code), found)
    try:
        with open(found, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the lock {path}",
            where=found,
            why=getattr(error, "strerror", None) or str(error),
            next=f"mend lock= at {user_line()}, or make one: {HOW}",
        ) from error
    read = read_requirements(lines)
    faults = [Fault(f"line {number + 1}", why) for number, why in read.faults]
    if not read.lines and not faults:
        faults = [Fault("", "it names no package")]
    if faults:
        raise SpecError(f"lock {found}", faults, verdict="is no lock", next=HOW)
    text = read.text
    return Lock(Ref(digest=read.digest, format=LOCK, size_bytes=len(text), name=os.path.basename(found)), text)
