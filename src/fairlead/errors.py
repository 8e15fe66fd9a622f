"""The error tree, and the four answers that every message gives.

    FairleadError                 exit code
    ├── UsageError                2   wrong command, flag, file or parameter
    │   └── MissingExtra          2   an optional library is needed: how to install it
    ├── SpecError                 2   a spec that can't be; carries every fault with its path
    ├── NotFoundError             4   a run, step, artifact or record that does not exist
    ├── StoreError                3   the store can't be reached, or refuses
    │   └── ClaimedError          3   another driver holds the run
    ├── ClusterError              3   a cluster can't be reached, or refuses; kube/failures.py says which classes it has
    ├── DamagedError              1   a record or an object that is not what was written
    ├── RunFailed                 1   the work itself failed
    ├── GaveUp                    5   waiting took longer than was allowed
    └── WouldNotRun               6   a run that can never run where it was to go; nothing of it was created

A class exists only where a caller would act differently on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class FairleadError(Exception):
    """What failed, where, why, and what to do next, in at most four lines.

    Args:
        what: One sentence: what could not be done.
        where: The file, step, run or object concerned.
        why: The rule together with the values that broke it.
        next: A command or an edit that helps.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", next: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.next = next

    def __str__(self) -> str:
        lines = [self.what]
        lines += [
            f"  {label:<6} {text}"
            for label, text in (("where", self.where), ("why", self.why), ("next", self.next))
            if text
        ]
        return "\n".join(lines)


class UsageError(FairleadError):
    """A command, file, flow or parameter was used wrongly."""

    exit_code = 2


class MissingExtra(UsageError):
    """An optional library is not installed."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the library {library!r}, which is not installed",
            next=f"pip install 'fairlead[{extra}]'",
        )
        self.library = library
        self.extra = extra


class Fault(NamedTuple):
    """One thing wrong with a spec: where in it, and what."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class SpecError(FairleadError):
    """A spec that cannot be; holds all its faults, not only the first."""

    exit_code = 2

    def __init__(self, subject: str, faults: Sequence[Fault], *, verdict: str = "is not valid", next: str = "") -> None:
        super().__init__(f"{subject} {verdict}", next=next)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        lines = [self.what, *(f"  {fault}" for fault in self.faults)]
        return "\n".join([*lines, f"  next   {self.next}"] if self.next else lines)


class NotFoundError(FairleadError):
    """A run, step, artifact or record that does not exist."""

    exit_code = 4


class StoreError(FairleadError):
    """The store cannot be reached, is full, is read-only, or refuses."""

    exit_code = 3


class ClaimedError(StoreError):
    """Another driver holds the run."""


class ClusterError(FairleadError):
    """A Kubernetes cluster cannot be reached, or refuses."""

    exit_code = 3


class DamagedError(FairleadError):
    """Stored bytes are not what was written.

    Attributes:
        value: The digest of the value, where it is one that a step was to receive.
    """

    value: str | None = None


class RunFailed(FairleadError):
    """The work itself failed; its run's record says how."""


class GaveUp(FairleadError):
    """Waiting took longer than was allowed."""

    exit_code = 5


class WouldNotRun(FairleadError):
    """A run can never run where it was to go, as that is now; nothing of it was created."""

    exit_code = 6


def nearest(name: str, known: Iterable[str], *, limit: int = 3) -> str:
    """Say which known names `name` may have meant, or list what is known.

    Returns:
        ``did you mean 'a' or 'b'?``, else ``known: a, b, …``; empty where nothing is known.
    """
    from difflib import get_close_matches  # lazy: difflib, 2 ms; on the way to an error only

    names = sorted(known)
    lowered = {each.lower(): each for each in names}
    close = [lowered[each] for each in get_close_matches(name.lower(), lowered, limit, 0.6)]
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    shown = ", ".join(names[:20])
    return f"known: {shown}{', …' if len(names) > 20 else ''}" if names else ""
