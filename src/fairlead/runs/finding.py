"""Finding runs and steps by what users write: an id, a unique part of one, ``latest``, ``RUN/STEP/INDEX``."""

from __future__ import annotations

from typing import NamedTuple

from fairlead.errors import NotFoundError, UsageError
from fairlead.naming import is_run_id
from fairlead.store.backends import Backend
from fairlead.store.catalog import runs_by_start


class Target(NamedTuple):
    """What ``RUN[/STEP[/INDEX[/RANK]]]`` names."""

    run: str
    step: str | None = None
    index: int | None = None  # type: ignore[assignment]  # a field, not the method of tuples
    rank: int | None = None


def find_run(backend: Backend, text: str) -> str:
    """Return the id of the run that a text names: an id, ``latest``, or a part that only one run's id has.

    Raises:
        NotFoundError: No run is named so, or several are.
    """
    if is_run_id(text):
        return text
    known = list(runs_by_start(backend))
    if text == "latest" and known:
        return known[0]
    found = [run for run in known if text and text in run]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFoundError(
            f"{len(found)} runs have {text!r} in their id", next=f"write more of it: {', '.join(found[:5])}"
        )
    raise NotFoundError(f"there is no run {text!r}", where=f"store {backend.url}", next="fairlead ps -a")


def find_target(backend: Backend, text: str) -> Target:
    """Read ``RUN[/STEP[/INDEX[/RANK]]]``.

    Raises:
        NotFoundError: There is no such run.
        UsageError: An index or rank is no number.
    """
    run, *rest = text.split("/")
    if len(rest) > 3:
        raise UsageError(
            f"{text!r} has too many parts", next="write RUN, RUN/STEP, RUN/STEP/INDEX or RUN/STEP/INDEX/RANK"
        )
    numbers = []
    for part in rest[1:]:
        if not part.isdigit():
            raise UsageError(f"{part!r} in {text!r} is no index", next="write RUN/STEP/INDEX, with an index from 0")
        numbers.append(int(part))
    return Target(find_run(backend, run), rest[0] if rest else None, *numbers)
